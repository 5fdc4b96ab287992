"""A bucket of an S3-compatible store, through the library obstore: its one door. An optional extra, `chatkeep[s3]`.

Only four requests are made, which every such store knows: PUT and GET of a whole object, a list, DELETE of many. An
object is there as a whole or not at all. There are no multipart uploads: what a process that dies leaves of one is in
no list, and stays until the bucket's owner has it removed.
"""

import importlib.util
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

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
MAX_REASON_CHARS = 300
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
        try:
            await self._store.put_async(name, content, use_multipart=False)
        except self._errors as error:
            raise BucketFailed(_reason(error)) from error

    async def find(self, name: str) -> bytes | None:
        """Return the content of an object; None if there is none of this name."""
        try:
            return bytes(await (await self._store.get_async(name)).bytes_async())
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise BucketFailed(_reason(error)) from error
            return None
        except self._errors as error:
            raise BucketFailed(_reason(error)) from error

    async def list_objects(self, folder: str | None = None) -> AsyncGenerator[Object]:
        """Yield the objects below a folder, which is named without a `/` at its end; or all."""
        try:
            async for page in self._store.list(folder):  # pyright: ignore[reportUnknownMemberType]  # of another overload
                for each in page:
                    yield Object(each["path"], each["size"])
        except self._errors as error:
            raise BucketFailed(_reason(error)) from error

    async def delete_folder(self, folder: str) -> None:
        """Delete the objects below a folder, if there are any."""
        names = [each.name async for each in self.list_objects(folder)]
        try:
            if names:
                await self._store.delete_async(names)
        except self._errors as error:
            raise BucketFailed(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Return why a request failed, in one line: the store's own code (S3, "Error responses") if there is one."""
    if code := _CODE.search(str(error)):
        return code[1]
    return str(error).partition("\n")[0][:MAX_REASON_CHARS]
