"""Server-Sent Events on the wire (WHATWG HTML §9.2); the only file that knows it.

LF framing; an `id` on every event of a log; no `event:` line, so that one `onmessage` serves all. A ping is a
comment and ONE newline: with a blank line, several clients would take it for an empty event.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.api.schema import SessionDeleted, SessionUpdated
from chatkeep.events import Entry
from chatkeep.runs.follow import Hint, Stretch

RETRY = b"retry: 1000\n"
"""In the first event of every response: how soon, in ms, a client that lost us tries again."""
PING = b": ping\n"
HEADERS = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
SEND_LIMIT = 30.0
"""Seconds that a client may leave us waiting before it is cut off; it can come back and go on."""
_BEGUN = "chatkeep.streams"
"""Where in a request's scope its stream is left, once its head is sent."""


async def run_frames(following: AsyncGenerator[Sequence[Entry]]) -> AsyncGenerator[bytes]:
    """A run's log as bytes of a stream."""
    prefix = RETRY
    async with aclosing(following):
        async for entries in following:
            if not entries:
                yield PING
                continue
            yield prefix + b"".join([b"id: %d\ndata: %b\n\n" % (entry.event.position, entry.json) for entry in entries])
            prefix = b""


async def session_frames(session_id: str, following: AsyncGenerator[Stretch | Hint | None]) -> AsyncGenerator[bytes]:
    """A session's feed as bytes of a stream."""
    prefix = RETRY
    async with aclosing(following):
        async for item in following:
            match item:
                case Stretch(run, entries) if entries:
                    yield prefix + b"".join([_tagged(run.number, run.id, entry) for entry in entries])
                    prefix = b""
                case Hint(session):
                    hint = SessionUpdated(session) if session else SessionDeleted(session_id)
                    yield prefix + b"data: %b\n\n" % msgspec.json.encode(hint)
                    prefix = b""
                case _:
                    yield PING


def _tagged(number: int, run_id: str, entry: Entry) -> bytes:
    """An entry with its place in the session: `id` is NUMBER.POSITION, and the event carries `run_id`."""
    return b'id: %d.%d\ndata: %b,"run_id":"%b"}\n\n' % (number, entry.event.position, entry.json[:-1], run_id.encode())


class EventStream(Response):
    """A response that sends what its source yields, as it yields it, until either side has had enough."""

    def __init__(self, frames: AsyncGenerator[bytes], headers: dict[str, str] | None = None) -> None:
        """`frames`: bytes ready to be sent; closed, whatever happens, when the response is over."""
        super().__init__(headers={**HEADERS, **(headers or {})})
        del self.headers["content-length"]
        self._frames = frames
        self._frame: bytes | None = None  # that is being sent
        self._timer: asyncio.TimerHandle | None = None
        self._is_cut = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head (ASGI); the rest is `Streams`' to send."""
        del receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        scope[_BEGUN].append(self)

    async def go_on(self, receive: Receive, send: Send) -> None:
        """Send the body, to its end or until the client has left, which a quiet stream would never notice.

        A task of its own sends it, so that an event wakes three coroutines, not those of server and middleware too.
        """
        watching = asyncio.current_task()
        assert watching is not None, "ASGI runs in a task"
        sending = asyncio.create_task(self._send_all(send))
        sending.add_done_callback(lambda _: None if sending.cancelled() or not sending.exception() else self._cut(watching))
        self._look(watching, None)
        try:
            await _until_gone(receive)  # which hears of the end, too, when all is sent (ASGI: `http.disconnect`)
        except asyncio.CancelledError:
            if not self._is_cut:
                raise
            watching.uncancel()
        finally:
            self._timer and self._timer.cancel()
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._frames):
            async for frame in self._frames:
                self._frame = frame
                await send({"type": "http.response.body", "body": frame, "more_body": True})
                self._frame = None
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _look(self, watching: asyncio.Task[object], before: bytes | None) -> None:
        """Cut the stream off when the client has stopped reading: still the same frame is being sent."""
        if before is not None and before is self._frame:
            self._cut(watching)
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SEND_LIMIT, self._look, watching, self._frame)

    def _cut(self, watching: asyncio.Task[object]) -> None:
        self._is_cut = True
        watching.cancel()


class Streams:
    """Middleware, the outermost: sends the bodies of streams, when all that was there to answer the request is gone.

    A stream is open for long. Under routing, dependencies and the other middleware, twenty coroutines would wait with
    it, and each event would pass through all of them: 4 % of what a stream costs (200 streams of 50 chunks/s).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the request answered, then send the rest of the answer (ASGI)."""
        begun: list[EventStream] = []
        await self._app({**scope, _BEGUN: begun}, receive, send)  # a copy: what others leave there goes with them
        for stream in begun:
            await stream.go_on(receive, send)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
