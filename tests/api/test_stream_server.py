"""The body of a stream between a source and an ASGI server: sent to its end or abandoned; the source is closed."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message, Receive, Scope, Send

from chatkeep.api.sse import PING, RETRY
from chatkeep.api.stream_server import EventStream, StreamServer
from chatkeep.errors import StorageFailed

pytestmark = pytest.mark.anyio

SCOPE: Scope = {"type": "http"}


class Line:
    """The ASGI server's side: it records what was sent; its client may leave or stop reading."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.disconnected = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()

    async def receive(self) -> Message:
        await self.disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            await self.reads.wait()
            self.sent.append(message["body"])
            if not message["more_body"]:
                self.disconnected.set()  # ASGI: a pending `receive` learns of the end as well


class Source:
    """Yields the scripted pieces, then waits, fails or ends."""

    def __init__(self, *words: bytes, then: Exception | None = None, ends: bool = False) -> None:
        self.closed = False
        self._words, self._then, self._ends = words, then, ends

    async def speak(self) -> AsyncGenerator[bytes]:
        try:
            for word in self._words:
                yield word
            if self._then is not None:
                raise self._then
            if not self._ends:
                await asyncio.Event().wait()
        finally:
            self.closed = True


async def answer(line: Line, source: Source, stall_seconds: float = 30) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(source.speak(), bytes)(scope, receive, send)

    async with asyncio.timeout(10):
        await StreamServer(app, stall_seconds)(SCOPE, line.receive, line.send)


async def test_a_stream_is_sent_to_its_end() -> None:
    line, source = Line(), Source(b"", b"a", b"", b"b", ends=True)
    await answer(line, source)
    assert line.sent == [PING, RETRY + b"a", PING, b"b", b""]
    assert source.closed


async def test_an_item_known_to_be_the_last_ends_the_stream() -> None:
    line, source = Line(), Source(b"a", b"last")
    stream = EventStream(source.speak(), bytes, is_last=lambda word: word == b"last")
    async with asyncio.timeout(10):
        await StreamServer(stream)(SCOPE, line.receive, line.send)
    assert (line.sent, source.closed) == ([RETRY + b"a", b"last"], True)


async def test_a_client_that_leaves_a_quiet_stream_is_noticed() -> None:
    line, source = Line(), Source(b"a")
    answering = asyncio.ensure_future(answer(line, source))
    async with asyncio.timeout(10):
        while not line.sent:
            await asyncio.sleep(0)
    assert not source.closed
    line.disconnected.set()
    await answering
    assert (line.sent, source.closed) == ([RETRY + b"a"], True)


async def test_a_client_that_stops_reading_is_cut_off() -> None:
    line, source = Line(), Source(b"a")
    answering = asyncio.ensure_future(answer(line, source, 0.01))
    async with asyncio.timeout(10):
        while not line.sent:
            await asyncio.sleep(0)
    await asyncio.sleep(0.05)  # longer than the limit: a quiet stream is no stuck one
    assert not answering.done()
    answering.cancel()

    line, source = Line(), Source(b"a")
    line.reads.clear()
    await answer(line, source, 0.01)
    assert (line.sent, source.closed) == ([], True)


async def test_only_the_stuck_streams_are_cut_off() -> None:
    sources = [Source(b"a"), Source(b"b"), Source(b"c")]
    heartbeat, *stuck = sources
    coming = iter(sources)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(next(coming).speak(), bytes)(scope, receive, send)

    streams, line = StreamServer(app, 0.01), Line()
    answering = asyncio.ensure_future(streams(SCOPE, line.receive, line.send))
    while not line.sent:
        await asyncio.sleep(0)
    for source in stuck:
        held = Line()
        held.reads.clear()
        async with asyncio.timeout(10):
            await streams(SCOPE, held.receive, held.send)
        assert (held.sent, source.closed) == ([], True)
    assert not answering.done()
    line.disconnected.set()
    await answering
    assert heartbeat.closed


async def test_a_source_that_fails_ends_the_stream_with_its_error() -> None:
    line, source = Line(), Source(b"a", then=RuntimeError("broken, on purpose"))
    with pytest.raises(RuntimeError, match="on purpose"):
        await answer(line, source)
    assert (line.sent, source.closed) == ([RETRY + b"a"], True)


async def test_a_database_that_is_away_cuts_the_stream_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    line, source = Line(), Source(b"a", then=StorageFailed("the server is away"))
    await answer(line, source)
    assert (line.sent, source.closed) == ([RETRY + b"a"], True)
    assert caplog.messages == ["a stream is cut off, and its client has to come back: the server is away"]


async def test_a_cancelled_stream_closes_its_source() -> None:
    line, source = Line(), Source(b"a")
    answering = asyncio.ensure_future(answer(line, source))
    async with asyncio.timeout(10):
        while not line.sent:
            await asyncio.sleep(0)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert source.closed
