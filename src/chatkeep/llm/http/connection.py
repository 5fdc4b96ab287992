"""One HTTP/1.1 connection to a provider (RFC 9112): bytes in, and the one reader that waits for them.

A connection answers one request at a time. After its response it goes back to the list of idle ones, if the provider
allows that (RFC 9112 §9.3) and the body was read to its end. It trusts nothing after bytes that were not asked for.
"""

import asyncio
import os
import ssl
from math import inf
from typing import cast

import httptools
import httpx2

from chatkeep.llm.http.tls import TlsLayer

MAX_IDLE_CONNECTIONS = 1_000
"""Maximum idle connections per provider: as many as the SDK's own client opens, so that a burst finds them."""
BODY_BUFFER_BYTES = 1_048_576
"""Bytes of a body that may wait for their reader before the provider has to wait too."""
BODY_END_SECONDS = 1.0
"""How long the end of a body may take, once nothing more of it is needed, for the connection to be used again."""
MAX_HEAD_BYTES = 65_536
"""The size of the largest head of a response, in bytes, with the interim responses before it."""
_UPGRADE = "the provider changes to another protocol, which was not asked for"
_LARGE_HEAD = f"the head of the provider's response has over {MAX_HEAD_BYTES} bytes"
SOCKET_READ_BYTES = 65_536
"""Bytes that one read past the transport takes."""


class HttpConnection(asyncio.Protocol):
    """A connection, and the response that is being read from it. Methods `on_…` are httptools' callbacks."""

    def __init__(self, idle: "list[HttpConnection]", body_end_seconds: float = BODY_END_SECONDS) -> None:
        """`idle` is the list of idle connections that this one goes back to."""
        self.is_lost = False
        self.idle_since = 0.0
        self._idle = idle
        self._body_end_seconds = body_end_seconds
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._socket: int | None = None  # file descriptor, for reads past the transport
        self._tls: TlsLayer | None = None
        self._is_paused = False
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._unfinished_head_size = 0
        self._status = 0
        self._data: list[bytes] = []
        self._size = 0
        self._is_complete = False
        self._is_reusable = False
        self._is_ending = False
        self._ends_with_connection = False
        self._error: httpx2.TransportError | None = None

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from now on, with a provider whose certificate is for `host`.

        Raises:
            httpx2.ConnectError: there is no agreement, or the connection broke.
        """
        if self._data:  # the provider does not speak first
            raise httpx2.ConnectError("the proxy sends more than the answer to CONNECT")
        self._begin()
        self._tls = TlsLayer(context, host)
        self._open_records(self._tls, b"")
        while not self._tls.is_open and self._error is None and not self.is_lost:
            await self._wait(inf)
        if self._error is not None:
            raise httpx2.ConnectError(str(self._error))

    async def request(self, message: bytes, deadline: float) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send a whole request; return the status and headers of its response. See `Transport.send`."""
        self._begin()
        self._transport.write(message if self._tls is None else self._tls.encrypt(message))
        while not self._status and self._error is None and not self.is_lost:
            await self._wait(deadline)
        if not self._status:
            raise self._error or httpx2.ReadError("the provider closed the connection without an answer")
        headers, self._headers = self._headers, []
        return self._status, headers

    async def read(self, deadline: float) -> bytes:
        """See `ResponseBody.read`."""
        found_data = True
        while not self._data and not self._is_complete:
            if self._error is not None:
                raise self._error
            if not self._read_socket():
                await self._wait(deadline)
                found_data = False
        data, self._data, self._size = b"".join(self._data), [], 0
        if found_data and self._socket is not None:
            self._pause()
        elif self._is_paused:
            self._resume()
        return data

    def _read_socket(self) -> bool:
        """Read a paused connection's socket, past the transport; resume the transport if nothing is there.

        True if there was data. See the head of this package, point 2.
        """
        if not self._is_paused:
            return False
        try:
            data = os.read(self._socket, SOCKET_READ_BYTES) if self._socket is not None else b""
        except OSError:  # nothing there; any fault is found and told by the transport
            data = b""
        if data:
            self.data_received(data)
        else:
            self._resume()
        return bool(data)

    def _pause(self) -> None:
        if not self._is_paused and not self.is_lost:
            self._transport.pause_reading()
            self._is_paused = True

    def _resume(self) -> None:
        if self._is_paused and not self.is_lost:
            self._transport.resume_reading()
        self._is_paused = False

    def release(self, *, is_done: bool = False) -> None:
        """Take the connection back from its request. `is_done`: nothing of the body is missing but its end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_complete and self._is_reusable and not self.is_lost and len(self._idle) < MAX_IDLE_CONNECTIONS:
            self._resume()
            self.idle_since = self._loop.time()
            self._idle.append(self)
        elif is_done and not self._is_complete and self._error is None:
            self._is_ending = True
            self._resume()
            self._timer = self._loop.call_later(self._body_end_seconds, self.close_now)
        else:
            self.close_now()

    def close_now(self) -> None:
        """Close the connection at once."""
        if not self.is_lost:
            self._abort()

    def _abort(self) -> None:
        self._socket = None  # its number may be another connection's soon
        self._transport.abort()

    async def _wait(self, deadline: float) -> None:
        """Wait until something happens. One timer serves many waits: it is checked again when it fires."""
        self._deadline = deadline
        if self._timer is not None and self._timer.when() > deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and deadline != inf:
            self._timer = self._loop.call_at(deadline, self._on_timer)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _on_timer(self) -> None:
        if self._loop.time() < self._deadline:  # data came since; the time limit counts from then
            self._timer = self._loop.call_at(self._deadline, self._on_timer)
            return
        self._timer = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport of the open connection (asyncio)."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._socket = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        """Take bytes that arrived (asyncio, or a read past the transport)."""
        tls = self._tls
        if tls is None:
            self._parse(data)
            return
        if plain := self._open_records(tls, data):
            self._parse(plain)
        if tls.has_ended:
            self._abort()

    def _open_records(self, tls: TlsLayer, data: bytes) -> bytes:
        """Return the plain data in these bytes of TLS; send what TLS itself has to answer."""
        plain = b""
        try:
            if tls.is_open:
                plain = tls.decrypt(data)
            else:
                tls.shake_hands(data)
                self._wake()
            if answer := tls.take_answer():
                self._transport.write(answer)
        except ssl.SSLError as error:
            self._refuse(str(error))
            self._wake()
        return plain

    def _parse(self, data: bytes) -> None:
        if self._is_complete:  # more than one answer to one request: nothing here can be trusted now
            self._abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(_UPGRADE)
        except httptools.HttpParserError as error:
            self._refuse(f"the provider does not speak HTTP: {error}")
        if not self._status:  # the parser keeps a header until it is whole
            self._unfinished_head_size += len(data)
            if self._unfinished_head_size > MAX_HEAD_BYTES:
                self._refuse(_LARGE_HEAD)
        if self._is_ending and self._is_complete:
            self.release()
        if self._size > BODY_BUFFER_BYTES:
            self._pause()
        self._wake()

    def _refuse(self, reason: str) -> None:
        """End the response with an error, unless it has one."""
        self._error = self._error or httpx2.RemoteProtocolError(reason)
        self._abort()

    def eof_received(self) -> None:
        """Note the provider's end of sending (asyncio); returning None closes the transport."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed (asyncio); `exc` says why, None if it ended well."""
        self.is_lost, self._socket = True, None
        del self._parser  # it refers to this object, too: both would stay until a garbage collection
        is_end = exc is None and (self._tls is None or self._tls.has_ended)
        if self._status and is_end and self._ends_with_connection:
            self._is_complete = True  # a body that ends with its connection (RFC 9112 §6.3)
        elif not self._is_complete and self._error is None:
            self._error = httpx2.ReadError(str(exc or "the provider closed the connection"))
        self._wake()

    def on_message_begin(self) -> None:
        """Note that a response begins; a second one was not asked for."""
        if self._is_complete:
            self._abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if not self._is_complete:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the status line and the end of the head."""
        status = self._parser.get_status_code()
        if self._is_complete:
            return
        if status == 101:
            self._refuse(_UPGRADE)
        elif sum(len(name) + len(value) for name, value in self._headers) > MAX_HEAD_BYTES:
            self._refuse(_LARGE_HEAD)
        elif status >= 200:
            self._status = status
            names = {name.lower() for name, _ in self._headers}
            self._ends_with_connection = not names & {b"content-length", b"transfer-encoding"}
        else:
            self._headers.clear()  # an interim answer (RFC 9110 §15.2)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if not self._is_complete and not self._is_ending:
            self._data.append(body)
            self._size += len(body)

    def on_message_complete(self) -> None:
        """Note that the response is complete."""
        self._is_complete = bool(self._status)
        self._is_reusable = self._parser.should_keep_alive()  # known to the parser only until this returns
