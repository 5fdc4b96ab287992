"""Measures files: memory while they come, the bytes of a picture in many messages, and pages of history with pictures.

The bytes lie in the database; in a bucket if CHATKEEP_FILES_URL and AWS_… are set, which the service then gets.
"""

import argparse
import asyncio
import io
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
from archive import add_session, opened
from PIL import Image

from chatkeep.chat.types import FilePart
from tools import HERE, OUR_CORE, Service, started

MEGABYTE = 1_000_000
AT_A_TIME = 4
LAST_UPLOADS = 10
"""Uploads of which the memory is the mean: single figures move by a megabyte."""
PAGE = 100
ROUNDS = 41


async def main(uploads: int, messages: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            "CHATKEEP_DATABASE_URL": f"sqlite:///{folder / 'chatkeep.db'}",
            "PYTHONPATH": f"{HERE.parent}/src",
        }
        environment |= {name: os.environ[name] for name in os.environ if name.startswith(("AWS_", "CHATKEEP_FILES_"))}
        command = [sys.executable, "-m", "chatkeep", "serve", "--port", "0"]
        with started("files", command, OUR_CORE, environment, folder) as service:
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=120) as client:
                picture = make_picture()
                await bring(client, picture)
                await measure_uploads(client, service, uploads)
                await measure_one_picture(client, folder, picture, messages)
                await measure_pages(client, folder, await bring(client, picture))


async def measure_uploads(client: httpx2.AsyncClient, service: Service, count: int) -> None:
    """Bring files of 1 MB, each of other bytes; print the memory at the begin, in the middle and at the end."""
    sizes = [service.rss_kb()]
    cpu, begin = service.cpu_seconds(), time.monotonic()

    async def one(_: int) -> None:
        await bring(client, os.urandom(MEGABYTE))
        sizes.append(service.rss_kb())

    await in_turns(one, count)
    seconds = time.monotonic() - begin
    print(f"{count} uploads of 1 MB, {AT_A_TIME} at a time: {count / seconds:.0f} a second, ", end="")
    print(f"{(service.cpu_seconds() - cpu) / count * 1000:.1f} ms of CPU each")
    for at in sorted({0, 10, count // 10, count // 2, count}):
        taken = sizes[max(at - LAST_UPLOADS, 0) : at + 1]
        print(f"  memory after {at:>5}: {sum(taken) / len(taken) / 1024:6.1f} MB")
    print(f"  the most        : {max(sizes) / 1024:6.1f} MB")


async def measure_one_picture(client: httpx2.AsyncClient, folder: Path, picture: bytes, count: int) -> None:
    """Bring the same picture `count` times, name it in a message each time; print by how much the database grows."""
    before = await size_of(folder)
    found: set[str] = set()

    async def one(_: int) -> None:
        file = await bring(client, picture)
        found.add(file["id"])
        session = (await client.post("/api/sessions", json={})).json()["id"]
        content = [{"type": "file", "file_id": file["id"]}]
        answer = await client.post(
            f"/api/sessions/{session}/messages", json={"content": content}, headers={"accept": "application/json"}
        )
        assert answer.json()["run"]["status"] == "completed", answer.text

    await in_turns(one, count, 200)
    grown = await size_of(folder) - before
    print(f"the same picture of {len(picture):,} bytes in {count} messages: {len(found)} file, ", end="")
    print(f"the database grows by {grown:,} bytes, {grown // count:,} a session with message and answer")


async def measure_pages(client: httpx2.AsyncClient, folder: Path, file: dict[str, Any]) -> None:
    """Read the last page of a session in which each message has a picture, and one without."""
    part = FilePart(**{name: file[name] for name in FilePart.__struct_fields__ if name in file}, file_id=file["id"])
    async with opened(folder / "chatkeep.db") as db:
        pictures = await db.transaction(lambda tx: add_session(tx, PAGE, picture=part))
        texts = await db.transaction(lambda tx: add_session(tx, PAGE))
    times: dict[str, list[float]] = {pictures: [], texts: []}
    for _ in range(ROUNDS):
        for session, values in times.items():
            begin = time.perf_counter()
            answer = await client.get(f"/api/sessions/{session}/messages", params={"limit": PAGE})
            values.append(time.perf_counter() - begin)
            assert len(answer.json()["data"]) == PAGE
    shown = {session: median(values) * 1000 for session, values in times.items()}
    with_texts, with_pictures = shown[texts], shown[pictures]
    print(
        f"a page of {PAGE} messages: {with_texts:.2f} ms with texts alone, {with_pictures:.2f} with a picture each",
        end="",
    )
    print(f" ({with_pictures / with_texts - 1:+.0%})")


async def bring(client: httpx2.AsyncClient, content: bytes) -> dict[str, Any]:
    """Bring a file, and return it."""
    answer = await client.post("/api/files", content=content)
    assert answer.status_code in (200, 201), answer.text
    return json.loads(answer.content)


async def in_turns(one: Callable[[int], Awaitable[None]], count: int, at_a_time: int = AT_A_TIME) -> None:
    """Do `one` for each number below `count`, so many at a time."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await one(number)

    await asyncio.gather(*(work() for _ in range(at_a_time)))


def make_picture() -> bytes:
    """Return a picture of about 1 MB that no compression makes smaller."""
    out = io.BytesIO()
    Image.frombytes("RGB", (640, 520), os.urandom(640 * 520 * 3)).save(out, "PNG")
    return out.getvalue()


async def size_of(folder: Path) -> int:
    """Return the bytes of the database's pages that are in use, once what was brought twice is removed."""
    with closing(sqlite3.connect(folder / "chatkeep.db")) as connection:
        while connection.execute("SELECT count(*) FROM files WHERE media_type IS NULL").fetchone()[0]:  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.5)
        values = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")]
        return (values[0] - values[1]) * connection.execute("PRAGMA page_size").fetchone()[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=1000)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.uploads, arguments.messages))
