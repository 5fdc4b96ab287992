"""Limits for what a provider's response makes of its reader's memory."""

from collections.abc import AsyncGenerator

import httpx2

from chatkeep.errors import ModelProtocol

MAX_ERROR_BODY_BYTES = 65_536
"""How much of the body of a response that is no success is read, in bytes. The rest says nothing new."""
IDENTITY = {"accept-encoding": "identity"}
"""Asks for bodies as they are: compressing small pieces gains nothing, and holds each back (RFC 9110 §12.5.3)."""


async def bound_response(response: httpx2.Response) -> None:
    """Limit what is read of `response` if it is no success; as an httpx2 event hook, also of each redirect.

    Raises:
        ModelProtocol: a success comes compressed, though `identity` was asked for. A small body may become any size.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    is_plain = encoding in ("", "identity")
    if response.is_success:
        if not is_plain:
            await response.aclose()
            raise ModelProtocol("the provider compresses its answer, though it was asked not to")
        return
    response.headers.pop("content-encoding", None)
    assert isinstance(response.stream, httpx2.AsyncByteStream), "an AsyncClient's response has an async body"
    response.stream = _Beginning(response.stream, MAX_ERROR_BODY_BYTES if is_plain else 0)


class _Beginning(httpx2.AsyncByteStream):
    """The first bytes of a body."""

    def __init__(self, body: httpx2.AsyncByteStream, size: int) -> None:
        self._body = body
        self._left = size

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        """Yield the body in pieces (httpx2)."""
        if self._left:
            async for data in self._body:
                yield data[: self._left]
                self._left -= len(data)
                if self._left <= 0:
                    return

    async def aclose(self) -> None:
        """Stop reading (httpx2)."""
        await self._body.aclose()
