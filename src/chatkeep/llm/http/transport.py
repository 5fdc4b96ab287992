"""Carries requests to a provider, one at a time on each connection, as an httpx2 transport; and idle connections."""

import asyncio
import socket
import ssl
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from math import inf
from typing import Any, NamedTuple, TypeAlias

import httpx2
from aiohappyeyeballs import start_connection  # pyright: ignore[reportUnknownVariableType]  # tuples without items

from chatkeep.llm.http.connection import BODY_END_SECONDS, HttpConnection
from chatkeep.llm.http.proxy import HttpProxy

IDLE_SECONDS = 30.0
"""How long an idle connection is used. A NAT or balancer may drop it silently, and a request would wait in vain."""
NEXT_ADDRESS_SECONDS = 0.25
"""How long a host's address may take to answer before the next one is tried beside it (RFC 8305 §5)."""
ERROR_BODY_TIMEOUT_SECONDS = 60
"""How long the next piece of an error's body may take."""
RESPONSE_BODY = "chatkeep.response_body"
"""The key of a response's `ResponseBody`, among its httpx2 extensions."""
SENDER = "chatkeep.sender"
"""The key of the `Transport` that sent the request, and of the `RequestHead` that it sent, in the same place."""

_Origin: TypeAlias = tuple[bytes, str, int]
"""Scheme, host and port."""


_Address: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
"""Family, type, protocol, canonical name and address of a socket, as `getaddrinfo` returns them."""
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[_Address]]]


async def _resolve(host: str, port: int) -> Sequence[_Address]:
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


class ResponseBody(httpx2.AsyncByteStream):
    """A response's body as it arrives."""

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self._is_released = False

    def read(self, deadline: float) -> Awaitable[bytes]:
        """Return what has arrived since the last read, or wait for more; empty at the end.

        Raises:
            TimeoutError: nothing came before `deadline`, in the event loop's time.
            httpx2.ReadError: the connection broke.
        """
        return self._connection.read(deadline)

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        """Yield the body in pieces: httpx2's way to read, for bodies that are no stream."""
        loop = asyncio.get_running_loop()
        while data := await self.read(loop.time() + ERROR_BODY_TIMEOUT_SECONDS):
            yield data

    async def close(self, *, is_done: bool) -> None:
        """Stop reading, and release the connection.

        It is used for the next request if the body was read to its end; or if nothing more of it is needed
        (`is_done`) and its end comes soon. Else it is closed at once.
        """
        if not self._is_released:  # later it may be another request's
            self._is_released = True
            self._connection.release(is_done=is_done)

    async def aclose(self) -> None:
        """Stop reading in httpx2's way, in the middle or not."""
        await self.close(is_done=False)


class RequestHead(NamedTuple):
    """A request's target and head, ready to be sent with the length of a body added.

    `connect_seconds` is how long opening a connection may take; None: as long as it takes.
    """

    origin: _Origin
    lines: bytes
    connect_seconds: float | None

    @classmethod
    def of(cls, request: httpx2.Request, proxy: HttpProxy | None) -> "RequestHead":
        """Return the head of `request`. To an http provider behind a `proxy`, it is one to the proxy."""
        url = request.url
        origin = (url.raw_scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        target, credentials = url.raw_path, b""
        if proxy is not None and url.scheme == "http":
            origin, target, credentials = proxy.origin, b"http://%b%b" % (url.netloc, url.raw_path), proxy.credentials
        lines = [b"%b %b HTTP/1.1\r\n" % (request.method.encode(), target), credentials]
        lines += [b"%b: %b\r\n" % header for header in request.headers.raw if header[0].lower() != b"content-length"]
        return cls(origin, b"".join(lines), request.extensions.get("timeout", {}).get("connect"))


class Transport(httpx2.AsyncBaseTransport):
    """Connections to providers, opened when they are needed and used again."""

    def __init__(
        self,
        idle_seconds: float = IDLE_SECONDS,
        body_end_seconds: float = BODY_END_SECONDS,
        resolve: Resolve = _resolve,
        proxy: HttpProxy | None = None,
    ) -> None:
        """`resolve` returns the addresses of a host and port, the best first. All requests go through `proxy`."""
        self._idle: dict[_Origin, list[HttpConnection]] = defaultdict(list)
        self._idle_seconds = idle_seconds
        self._body_end_seconds = body_end_seconds
        self._resolve = resolve
        self._proxy = proxy
        self._tls: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send `request`, and return its response as soon as its head is there.

        Raises:
            httpx2.ConnectTimeout: no connection within the request's time limit.
            httpx2.ConnectError: no connection.
            httpx2.ProxyError: the proxy refuses.
            httpx2.ReadError: the connection broke before the response began.
        """
        head = RequestHead.of(request, self._proxy)
        status, headers, body = await self.send(head, await request.aread())
        extensions = {RESPONSE_BODY: body, SENDER: (self, head)}
        return httpx2.Response(status, headers=headers, stream=body, extensions=extensions)

    async def send(
        self, head: RequestHead, content: bytes, deadline: float | None = None
    ) -> tuple[int, list[tuple[bytes, bytes]], ResponseBody]:
        """Send a request; return status, headers and body of its response as soon as its head is there.

        Raises:
            TimeoutError: the response did not begin before `deadline`, in the event loop's time.
            httpx2.HTTPError: as `handle_async_request`.
        """
        connection = self._find_idle(head.origin)
        if connection is None:
            async with asyncio.timeout_at(deadline):
                connection = await self._connect(head)
        try:
            status, headers = await connection.request(
                b"%bcontent-length: %d\r\n\r\n" % (head.lines, len(content)) + content,
                inf if deadline is None else deadline,
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
        too_old = asyncio.get_running_loop().time() - self._idle_seconds
        while idle and idle[0].idle_since < too_old:
            idle.pop(0).close_now()
        while idle:
            connection = idle.pop()
            if not connection.is_lost:
                return connection
        return None

    async def _connect(self, head: RequestHead) -> HttpConnection:
        """Open a connection to the provider; if it is an https one behind a proxy, through a tunnel."""
        scheme, host, port = head.origin
        if scheme not in (b"http", b"https"):
            raise httpx2.UnsupportedProtocol(f"a provider is reached by http or https, not by {scheme.decode()!r}")
        try:
            async with asyncio.timeout(head.connect_seconds):
                connection = await self._connect_tcp(head.origin)
                if scheme == b"https":
                    await self._secure(connection, host, port)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(f"no connection to {host}:{port} within {head.connect_seconds} s") from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error
        return connection

    async def _connect_tcp(self, origin: _Origin) -> HttpConnection:
        """Connect to the first address of the host, or of its proxy, that answers (RFC 8305, Happy Eyeballs)."""
        _, host, port = origin if self._proxy is None else self._proxy.origin
        addresses = await self._resolve(host, port)
        connected = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: HttpConnection(self._idle[origin], self._body_end_seconds), sock=connected
        )
        return connection

    async def _secure(self, connection: HttpConnection, host: str, port: int) -> None:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            if self._proxy is not None:
                status, _ = await connection.request(self._proxy.tunnel_request(host, port), inf)
                if not 200 <= status < 300:
                    raise httpx2.ProxyError(f"the proxy refuses a tunnel to {host}:{port} with status {status}")
            await connection.start_tls(self._tls, host)
        except BaseException:
            connection.close_now()
            raise
