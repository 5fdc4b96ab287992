"""The framing of a dialect's stream: entries of a log in, frames out, with an explicit end."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol, TypeAlias

import msgspec

from chatkeep.api.dialects.calls import Turn
from chatkeep.api.stream_server import EventStream
from chatkeep.chat.events import Entry, Event
from chatkeep.runs.follow import follow
from chatkeep.runs.runtime import Runtime

encode = msgspec.json.encode
OnLeave: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Encoder(Protocol):
    """Makes frames of the events of one stream, in their order. It lives as long as the stream, and no longer."""

    @property
    def is_over(self) -> bool:
        """True if the stream has its end."""
        ...

    def begin(self) -> bytes:
        """Return the frames before the first event."""
        ...

    def encode(self, event: Event) -> bytes:
        """Return the frames of an event; none if it has none in this dialect."""
        ...

    def end(self) -> bytes:
        """Return the last frames, after the last event: the run waits, or the stream breaks off."""
        ...


def data_frame(value: Mapping[str, Any]) -> bytes:
    """Return a frame without `event` and `id`."""
    return b"data: %b\n\n" % encode(value)


def dialect_stream(
    runtime: Runtime, turn: Turn, encoder: Encoder, headers: dict[str, str], on_leave: OnLeave | None = None
) -> EventStream[bytes]:
    """Return the stream of a turn. `headers` are the dialect's own. `on_leave`: called if the client leaves."""
    frames = _frames(follow(runtime, turn.run, turn.position), encoder, turn.until)
    if on_leave is not None:
        frames = _watched(runtime, frames, encoder, on_leave)
    headers = {**headers, "location": f"/api/runs/{turn.run.id}"}
    return EventStream(frames, bytes, headers, is_last=lambda _: encoder.is_over, prefix=b"")


async def _watched(
    runtime: Runtime, frames: AsyncGenerator[bytes], encoder: Encoder, on_leave: OnLeave
) -> AsyncGenerator[bytes]:
    """Yield `frames`. If they are closed before their end, the client has left."""
    try:
        async with aclosing(frames):
            async for frame in frames:
                yield frame
    finally:
        if not encoder.is_over:
            task = asyncio.ensure_future(on_leave())  # not awaited here: this may be a cancellation
            runtime.background_tasks.add(task)
            task.add_done_callback(runtime.background_tasks.discard)


async def _frames(
    source: AsyncGenerator[Sequence[Entry]], encoder: Encoder, until: int | None
) -> AsyncGenerator[bytes]:
    async with aclosing(source):
        if begin := encoder.begin():
            yield begin
        async for entries in source:
            yield b"".join([encoder.encode(entry.event) for entry in entries])
            if until is not None and entries and entries[-1].event.position >= until:
                break
    if not encoder.is_over:
        yield encoder.end()
