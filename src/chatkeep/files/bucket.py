"""A bucket of an S3-compatible store, through the library obstore: its one door. An optional extra, `chatkeep[s3]`.

Only four requests are made, which every such store knows: PUT and GET of a whole object, a list, DELETE of many. An
object is there as a whole or not at all. There are no multipart uploads: what a process that dies leaves of one is in
no list, and stays until the bucket's owner has it removed.

Requests are made in threads. obstore's own coroutines can end the process with a signal when it exits: their threads
may still come back to Python (PyO3/pyo3-async-runtimes, issue 40; one exit of fifteen here).
"""

import asyncio
import importlib.util
import re
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from chatkeep.errors import CannotStart, ChatkeepError
from chatkeep.settings.bucket_url import BucketUrl

if TYPE_CHECKING:
    from obstore.store import S3Config

REQUEST_TIMEOUT = "20s"
"""How long one request may take."""
RETRY_SECONDS = 30
"""How long a request is repeated that failed with a server's error or a lost connection."""
MAX_RETRIES = 3
"""How often it is repeated."""
MAX_REQUESTS = 32
"""How many requests there are at a time; others wait."""
MAX_REASON_CHARS = 300
T = TypeVar("T")
_CODE = re.compile(r"<Code>(\w+)</Code>")


class BucketFailed(ChatkeepError):  # noqa: N818  # as all errors of ours, named for what happened
    """A request that the store refused, or did not answer. The message is one line for the operator."""


class Object(NamedTuple):
    """An object in a list: its name without the URL's prefix, and its size in bytes."""

    name: str
    size: int


class Bucket:
    """The objects below a bucket's prefix. Its methods raise BucketFailed."""

    def __init__(self, url: BucketUrl, access_key_id: str | None, secret_access_key: str | None) -> None:
        """Prepare the connection; no request is made. Without keys, obstore looks where Amazon's own tools do.

        Raises:
            CannotStart: the extra is not installed, or a variable `AWS_…` cannot be used.
        """
        if importlib.util.find_spec("obstore") is None:
            raise CannotStart("CHATKEEP_FILES_URL needs an extra that is not installed: pip install 'chatkeep[s3]'")
        from obstore.exceptions import BaseError  # noqa: PLC0415  # an extra
        from obstore.store import S3Store  # noqa: PLC0415  # likewise

        config: S3Config = {}
        if url.endpoint:
            config["endpoint"] = url.endpoint
        if url.region:
            config["region"] = url.region
        if access_key_id and secret_access_key:
            config |= {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
        self.name = str(url)
        self._threads = ThreadPoolExecutor(MAX_REQUESTS, "chatkeep-bucket")
        self._errors = (BaseError, OSError, ValueError)
        try:
            self._store = S3Store(
                url.bucket,
                prefix=url.prefix.rstrip("/") or None,
                config=config,
                client_options={"allow_http": url.endpoint.startswith("http:"), "timeout": REQUEST_TIMEOUT},
                retry_config={"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
            )
        except self._errors as error:
            raise CannotStart(f"cannot use the bucket {url}: {_reason(error)}") from error

    async def put(self, name: str, content: bytes) -> None:
        """Store an object in one request. One of this name is replaced."""
        await self._call(lambda: self._store.put(name, content, use_multipart=False))

    async def find(self, name: str) -> bytes | None:
        """Return the content of an object; None if there is none of this name."""

        def get() -> bytes | None:
            try:
                return bytes(self._store.get(name).bytes())
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

        return await self._call(get)

    async def list_objects(self, folder: str | None = None) -> AsyncGenerator[Object]:
        """Yield the objects below a folder, which is named without a `/` at its end; or all."""
        pages = self._store.list(folder)  # pyright: ignore[reportUnknownMemberType]  # of another overload
        while page := await self._call(lambda: next(pages, ())):
            for each in page:
                yield Object(each["path"], each["size"])

    async def delete_folder(self, folder: str) -> None:
        """Delete the objects below a folder, if there are any."""
        if names := [each.name async for each in self.list_objects(folder)]:
            await self._call(lambda: self._store.delete(names))

    async def _call(self, request: Callable[[], T]) -> T:
        """Do a request in a thread. It comes to its end even if its caller is cancelled, which waits for it."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, request)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise
        except self._errors as error:
            raise BucketFailed(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Return why a request failed, in one line: the store's own code (S3, "Error responses") if there is one."""
    if code := _CODE.search(str(error)):
        return code[1]
    return str(error).partition("\n")[0][:MAX_REASON_CHARS]
