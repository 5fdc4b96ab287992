"""The connection to an MCP server over HTTP: the SDK's streamable HTTP transport, with limits."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from chatkeep.mcp.stdio import MAX_MESSAGE_BYTES

# The SDK logs a traceback for each answer that it cannot read. The call's error says the same.
logging.getLogger("mcp.client.streamable_http").setLevel(logging.CRITICAL)

HTTP_SECONDS, READ_SECONDS = 30.0, 300.0
"""How long a request may take, and how long a stream may be silent. The values are the SDK's own."""


@asynccontextmanager
async def over_http(url: str, headers: Sequence[tuple[str, str]], refusals: list[str]) -> AsyncGenerator[Any]:
    """Connect to the server at `url`.

    The SDK follows no redirect to another origin, for which the headers are not meant. `refusals` gets a line for each
    401 and 403 of the server, which the SDK does not report. An answer of more than `MAX_MESSAGE_BYTES` is an error of
    its call.
    """

    async def check_response(response: httpx2.Response) -> None:
        if response.status_code in (401, 403):
            refusals.append(f"it answers {response.status_code} {response.reason_phrase}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise httpx2.DecodingError("it compresses, though it was not asked to")
        if not response.headers.get("content-type", "").startswith("text/event-stream"):  # events have their own limit
            response.stream = _LimitedBody(response.stream)

    limits = httpx2.Timeout(HTTP_SECONDS, read=READ_SECONDS)
    asked = [*headers, ("accept-encoding", "identity")]
    client = httpx2.AsyncClient(headers=asked, timeout=limits, event_hooks={"response": [check_response]})
    transport = streamable_http_client(url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES)
    async with client, transport as streams:
        yield streams


class _LimitedBody(httpx2.AsyncByteStream):
    """A body that ends in an error when it becomes too long."""

    def __init__(self, body: Any) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._body:
            size += len(piece)
            if size > MAX_MESSAGE_BYTES:
                raise httpx2.StreamError(f"it is longer than {MAX_MESSAGE_BYTES} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()
