"""Server-Sent Events on the wire (WHATWG HTML §9.2); the only file that knows it.

LF framing; an `id` on every event of a log; no `event:` line, so that one `onmessage` serves all. A ping is a
comment and ONE newline: with a blank line, several clients would take it for an empty event.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.api.views import SessionDeleted, SessionUpdated
from chatkeep.chat.events import Entry, RunFinished
from chatkeep.runs.follow import RunEvents, SessionChange

T = TypeVar("T")

RETRY = b"retry: 1000\n"
"""In the first event of every response: how soon, in ms, a client that lost us tries again."""
PING = b": ping\n"
HEADERS = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
SEND_LIMIT = 30.0
"""Seconds that a client may leave us waiting before it is cut off; it can come back and go on."""
_BEGUN = "chatkeep.streams"
"""Where in a request's scope its stream is left, once its head is sent."""


def run_frame(entries: Sequence[Entry]) -> bytes:
    """Entries of a run's log as bytes of a stream."""
    return b"".join([b"id: %d\ndata: %b\n\n" % (entry.event.position, entry.json) for entry in entries])


def ends_run(entries: Sequence[Entry]) -> bool:
    """Whether nothing of the run's log comes after `entries`."""
    return bool(entries) and type(entries[-1].event) is RunFinished


def session_frame(session_id: str, item: RunEvents | SessionChange | None) -> bytes:
    """What a session's feed brings as bytes of a stream."""
    match item:
        case RunEvents(run, entries):
            return b"".join([_tagged(run.number, run.id, entry) for entry in entries])
        case SessionChange(session):
            hint = SessionUpdated(session) if session else SessionDeleted(session_id)
            return b"data: %b\n\n" % msgspec.json.encode(hint)
        case None:
            return b""


def _tagged(number: int, run_id: str, entry: Entry) -> bytes:
    """An entry with its place in the session: `id` is NUMBER.POSITION, and the event carries `run_id`."""
    return b'id: %d.%d\ndata: %b,"run_id":"%b"}\n\n' % (number, entry.event.position, entry.json[:-1], run_id.encode())


class EventStream(Response, Generic[T]):
    """A response that sends what its source yields, as it yields it, until either side has had enough."""

    def __init__(
        self,
        source: AsyncGenerator[T],
        framed: Callable[[T], bytes],
        headers: dict[str, str] | None = None,
        *,
        is_last: Callable[[T], bool] = lambda _: False,
    ) -> None:
        """`source`: closed, whatever happens, when the response is over; `framed`: what it yields as bytes of a stream,
        none when there is nothing but to say that the line is up; `is_last`: whether it is known that no more comes, so
        that the response can end in the same write.
        """
        super().__init__(headers={**HEADERS, **(headers or {})})
        del self.headers["content-length"]
        self._body = _Body(source, framed, is_last)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head (ASGI); the rest is `Streams`' to send."""
        del receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        scope[_BEGUN].append(self._body)


class _Body(Generic[T]):
    """What comes after the head of a stream."""

    __slots__ = ("_before", "_framed", "_is_cut", "_is_last", "_sending", "_source", "_watching")

    def __init__(self, source: AsyncGenerator[T], framed: Callable[[T], bytes], is_last: Callable[[T], bool]) -> None:
        self._source = source
        self._framed = framed
        self._is_last = is_last
        self._sending: Message | None = None  # what is being sent
        self._before: Message | None = None  # what was, at the last look
        self._watching: asyncio.Task[object]  # there from `send` on
        self._is_cut = False

    async def send(self, receive: Receive, send: Send) -> None:
        """Send it, to its end or until the client has left, which a quiet stream would never notice.

        A task of its own does it, so that an event wakes two coroutines, not those of server and middleware too.
        """
        watching = asyncio.current_task()
        assert watching is not None, "ASGI runs in a task"
        self._watching = watching
        sending = asyncio.create_task(self._send_all(send))
        try:
            while (await receive())["type"] != "http.disconnect":  # as it also is when all has been sent (ASGI)
                pass
        except asyncio.CancelledError:
            if not self._is_cut:
                raise
            watching.uncancel()
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    async def _send_all(self, send: Send) -> None:
        prefix = RETRY
        try:
            async for item in self._source:
                frame = self._framed(item)
                if frame and prefix:
                    frame, prefix = prefix + frame, b""
                more = not self._is_last(item)
                self._sending = {"type": "http.response.body", "body": frame or PING, "more_body": more}
                await send(self._sending)
                self._sending = None
                if not more:
                    return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception:
            self._cut()
            raise
        finally:
            await self._source.aclose()

    def look(self) -> None:
        """Cut the stream off when the client has stopped reading: still the same is being sent as at the last look."""
        if self._sending is not None and self._sending is self._before:
            self._cut()
        self._before = self._sending

    def _cut(self) -> None:
        self._is_cut = True
        self._watching.cancel()


class Streams:
    """Around the whole application: sends the bodies of streams, when all that was there to answer a request is gone.

    A stream is open for long. Under routing, dependencies and the other middleware, twenty coroutines would wait with
    it, and each event would pass through all of them: 4 % of what a stream costs (200 streams of 50 chunks/s).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: set[_Body[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None  # one for all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the request answered, then send the rest of the answer (ASGI)."""
        begun: list[_Body[Any]] = []
        await self._app({**scope, _BEGUN: begun}, receive, send)  # a copy: what others leave there goes with them
        for body in begun:
            if isinstance(headers := scope.get("headers"), list):
                headers.clear()  # uvicorn keeps them as long as the stream is open
            self._open.add(body)
            if self._timer is None:
                self._look()
            try:
                await body.send(receive, send)
            finally:
                self._open.discard(body)

    def _look(self) -> None:
        for body in self._open:
            body.look()
        self._timer = asyncio.get_running_loop().call_later(SEND_LIMIT, self._look) if self._open else None
