"""HTTP/1.1 to a provider, straight on asyncio: what has arrived is handed over at once, all of it.

The SDK still builds, signs and checks the request; this carries it. httpx2's own transport wakes for every HTTP
chunk and looks at every idle connection for each request; a turn's upstream side costs a third of that here
(`bench/`). Not for proxies: where the environment names one, the SDK's own client is used instead.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable
from math import inf
from typing import NamedTuple, TypeAlias

import httpx2

from chatkeep.llm.http.connection import HttpConnection

IDLE_SECONDS = 30.0
"""How long an idle connection is: what lies between may forget it without a word, and a request would wait in vain."""
ERROR_BODY_TIMEOUT_SECONDS = 60
"""How long the next piece of an error's body may take."""
RESPONSE_BODY = "chatkeep.body"
"""Where a response keeps its `ResponseBody`, among its extensions."""

_Origin: TypeAlias = tuple[bytes, str, int]


class ResponseBody(httpx2.AsyncByteStream):
    """A response's body as it arrives."""

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self._is_left = False

    def read(self, due: float) -> Awaitable[bytes]:
        """What has arrived since the last read, or the first that does; nothing at the end.

        Raises:
            TimeoutError: nothing came until `due`, in the event loop's time.
            httpx2.ReadError: the connection broke.
        """
        return self._connection.read(due)

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        """The body in pieces: httpx2's own way to read, for what is no stream."""
        loop = asyncio.get_running_loop()
        while data := await self.read(loop.time() + ERROR_BODY_TIMEOUT_SECONDS):
            yield data

    async def close(self, *, is_done: bool) -> None:
        """Keep the connection for the next request if the body was read to its end, or if it `is_done`, nothing more
        is wanted of it, and the end comes soon; else hang up at once.
        """
        if not self._is_left:  # later it may be another's
            self._is_left = True
            self._connection.release(is_done=is_done)

    async def aclose(self) -> None:
        """httpx2's own way: no more is wanted, be it done or not."""
        await self.close(is_done=False)


class RequestHead(NamedTuple):
    """Where a request goes and how it begins, ready to be sent but for the length of its body."""

    origin: _Origin
    lines: bytes
    connect: float | None  # seconds that making a connection may take

    @classmethod
    def of(cls, request: httpx2.Request) -> "RequestHead":
        """The head of `request`."""
        url = request.url
        lines = [b"%b %b HTTP/1.1\r\n" % (request.method.encode(), url.raw_path)]
        lines += [b"%b: %b\r\n" % header for header in request.headers.raw if header[0].lower() != b"content-length"]
        return cls(
            (url.raw_scheme, url.host, url.port or (443 if url.scheme == "https" else 80)),
            b"".join(lines),
            request.extensions.get("timeout", {}).get("connect"),
        )


class Transport(httpx2.AsyncBaseTransport):
    """Carries requests, one at a time on each connection."""

    def __init__(self) -> None:
        self._idle: dict[_Origin, list[HttpConnection]] = defaultdict(list)
        self._tls: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send `request`, and return its response as soon as its head is there.

        Raises:
            httpx2.ConnectTimeout: no connection within the request's time limit.
            httpx2.ConnectError: no connection.
            httpx2.ReadError: the connection broke before the response began.
        """
        status, headers, body = await self.send(RequestHead.of(request), await request.aread())
        return httpx2.Response(status, headers=headers, stream=body, extensions={RESPONSE_BODY: body})

    async def send(
        self, head: RequestHead, content: bytes, due: float | None = None
    ) -> tuple[int, list[tuple[bytes, bytes]], ResponseBody]:
        """Send a request with that head; the status, the headers and the body of its response.

        Raises:
            TimeoutError: the response did not begin until `due`, in the event loop's time.
            and as `handle_async_request`.
        """
        connection = self._find_idle(head.origin)
        if connection is None:
            async with asyncio.timeout_at(due):
                connection = await self._connect(head)
        try:
            status, headers = await connection.ask(
                b"%bcontent-length: %d\r\n\r\n" % (head.lines, len(content)) + content, inf if due is None else due
            )
        except BaseException:
            connection.release()
            raise
        return status, headers, ResponseBody(connection)

    async def aclose(self) -> None:
        """Close the idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close_now()
        self._idle.clear()

    def _find_idle(self, origin: _Origin) -> HttpConnection | None:
        idle = self._idle[origin]
        too_old = asyncio.get_running_loop().time() - IDLE_SECONDS
        while idle and idle[0].idle_since < too_old:
            idle.pop(0).close_now()
        while idle:
            connection = idle.pop()
            if not connection.is_lost:
                return connection
        return None

    async def _connect(self, head: RequestHead) -> HttpConnection:
        origin, limit = head.origin, head.connect
        scheme, host, port = origin
        if scheme == b"https" and self._tls is None:
            self._tls = ssl.create_default_context()
        tls = self._tls if scheme == b"https" else None
        try:
            async with asyncio.timeout(limit):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: HttpConnection(self._idle[origin]), host, port, ssl=tls
                )
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(f"no connection to {host}:{port} within {limit} s") from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error
        return connection
