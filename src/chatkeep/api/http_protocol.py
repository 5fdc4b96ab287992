"""HTTP/1.1 on a connection: uvicorn's protocol class, and what RFC 9112 and a service on the open net need beyond it.

1. A connection is counted and watched (`connections.py`). What the protocol itself refuses gets a problem document,
   and the connection is closed.
2. A head has at most `MAX_HEAD_BYTES`, and so has all that stands between two pieces of a body: sizes, trailers.
3. A client may send requests before it has the answer to its first, but not thousands: `MAX_WAITING_REQUESTS`.
4. A target with a name in it decides over `Host` (RFC 9112 §3.2.2). Trailers are no headers (RFC 9110 §6.5.1).
5. A client of HTTP/1.0 gets no chunks (RFC 9112 §6.1): the end of the connection ends its stream.

No piece of a stream passes any of this, except to a client of HTTP/1.0.
"""

import asyncio
import re
from typing import Any

import httptools
import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from chatkeep.api.connections import Awaited, Connections
from chatkeep.api.middleware import UPLOAD_PATHS
from chatkeep.api.response_headers import RAW_HEADERS
from chatkeep.errors import BadRequest, HeadTooLarge, Refused

MAX_HEAD_BYTES = 32_768
"""The longest head of a request: its target, and the names and values of its headers."""
MAX_WAITING_REQUESTS = 32
"""How many requests of a connection may wait for the answer to the one before them."""
UPLOAD_STEP_BYTES = 65_536
"""How much of a file has to arrive in the time that any other body has altogether."""
LINGER_SECONDS = 2.0
"""How long a refused client may go on sending. What it sends is thrown away."""
_ABSOLUTE_TARGET = re.compile(rb"https?://([^/?#@]+)(/[^?]*)?(\?.*)?", re.IGNORECASE)
_HEADERS = (*RAW_HEADERS, (b"content-type", b"application/problem+json"), (b"connection", b"close"))


class HttpProtocol(HttpToolsProtocol):
    """A connection. `uvicorn.Config(http=partial(HttpProtocol, connections))` uses it."""

    __slots__ = ("_bare_bytes", "_body_bytes", "_is_refused", "_watched")  # a stream's connection is kept for minutes

    def __init__(
        self,
        watched: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._watched = watched
        self._body_bytes = 0  # of all bodies
        self._bare_bytes = 0  # bytes since the last that were a body's, or ended a head
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Take the connection in, or refuse it."""
        super().connection_made(transport)
        if error := self._watched.add(self, self._address()):
            self.refuse(error)
            transport.close()  # at once: it holds a file of the process

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._watched.discard(self, self._address())
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come. A protocol that the client would rather speak (`Upgrade`) is none of ours."""
        if self._is_refused:
            return
        assert self.parser is not None, "there until the connection is lost"
        self._unset_keepalive_if_required()
        self._bare_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause if isinstance(cause, Refused) else BadRequest("this is not HTTP/1.1"))
        else:
            if self._bare_bytes > MAX_HEAD_BYTES:
                self.refuse(_head_too_large())

    def awaited(self) -> Awaited | None:
        """Return the part of a request that is missing. A connection between two requests has uvicorn's own timer."""
        cycle = self.cycle
        if self._is_refused or self.transport.is_closing() or self.timeout_keep_alive_task is not None:
            return None
        if not cycle or cycle.response_complete:
            return Awaited(is_body=False, after=cycle)
        if not self._reads_body():
            return None
        is_upload = cycle.scope["path"] in UPLOAD_PATHS  # may take long, as long as it goes on
        return Awaited(is_body=True, after=(cycle, self._body_bytes // UPLOAD_STEP_BYTES if is_upload else 0))

    def refuse(self, error: Refused) -> None:
        """Answer with `error` and close. An answer that is on its way is cut off: a second one cannot follow it."""
        cycle = self.cycle
        is_answering = bool(cycle) and not cycle.response_complete
        may_answer = not is_answering or (self._reads_body() and not cycle.response_started)
        self._is_refused = True
        if is_answering:
            cycle.disconnected = True
            cycle.message_event.set()
        if not may_answer:
            self.transport.abort()
            return
        self.transport.write(_answer(error, self.server_state.default_headers))
        # Closed with bytes unread, the kernel would reset the connection, and the client might not see the answer.
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def on_headers_complete(self) -> None:
        """Check the head, and have the request answered."""
        self._bare_bytes = 0
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            raise _head_too_large()
        if len(self.pipeline) >= MAX_WAITING_REQUESTS:
            raise BadRequest(f"more than {MAX_WAITING_REQUESTS} requests wait for their answers")
        if not self.url.startswith(b"/"):
            self._read_absolute_target()
        super().on_headers_complete()
        self.headers = []  # for trailers: the scope has the other list

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._bare_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._bare_bytes = 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # uvicorn's type of an application
        super()._start_asgi_task(cycle, _without_chunks(cycle, app) if cycle.scope["http_version"] == "1.0" else app)

    def _should_upgrade(self) -> bool:
        return False

    def _reads_body(self) -> bool:
        """Return True if the body of the request that is being answered is not complete."""
        return self.cycle.more_body and not self.pipeline

    def _read_absolute_target(self) -> None:
        """Make `http://name/path` a path, and put its name into `Host`. No `Host`, or several, are refused later.

        A user's name in it is an error (RFC 9110 §4.2.4). `*`, the target of OPTIONS, stays.
        """
        if self.url == b"*":
            return
        if not (match := _ABSOLUTE_TARGET.fullmatch(self.url)):
            raise BadRequest("the target is a path, or http:// with a name and a path")
        host, path, query = match.groups(b"")
        self.url = (path or b"/") + query
        self.headers[:] = [(name, host if name == b"host" else value) for name, value in self.headers]

    def _address(self) -> str | None:
        return self.client[0] if self.client else None


def _without_chunks(cycle: RequestResponseCycle, app: ASGIApp) -> Any:
    """Return an application that answers in `cycle` as `app` does, and says of no answer that it comes in chunks."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        has_length = True

        async def send_plain(message: Message) -> None:
            nonlocal has_length
            if message["type"] == "http.response.start":
                has_length = any(name == b"content-length" for name, _ in message["headers"])
                cycle.chunked_encoding = None if has_length else False  # uvicorn decides about None
            elif not has_length:
                cycle.expected_content_length = len(message.get("body", b""))  # all that is expected is this piece
            await send(message)

        await app(scope, receive, send_plain)

    return answer


def _head_too_large() -> HeadTooLarge:
    return HeadTooLarge(f"target and headers may have {MAX_HEAD_BYTES} bytes")


def _answer(error: Refused, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return `error` as the bytes of a response; it is a problem document (RFC 9457)."""
    body = msgspec.json.encode(error.document())
    more = [(name.encode(), value.encode()) for name, value in error.headers.items()]
    lines = [b"%b: %b\r\n" % each for each in (*headers, *_HEADERS, *more, (b"content-length", b"%d" % len(body)))]
    return b"".join((STATUS_LINE[error.status], *lines, b"\r\n", body))
