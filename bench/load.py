"""The readers: open many streams at once, count what arrives, and tell how old each chunk is by then.

A chunk is known by its mark (see `provider`), so that services with different events are measured alike. What
a service repeats at the end of its stream (the whole message) is not counted.
"""

import argparse
import asyncio
import http.client
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple, TypeAlias, cast
from urllib.parse import urlsplit

import httptools
import uvloop

from provider import STAMP_MASK

Kind: TypeAlias = Literal["chatkeep", "naive", "direct"]
"""What is at the other end; `direct` is the provider itself: what the tools alone measure."""

QUESTION = "please explain the joke: why did the chicken cross the road?"
_MARK = re.compile(rb"~([0-9a-f]{12})")
_REPEATS = b'"run.finished"'
"""In the event with which chatkeep ends a stream: it holds the whole message once more."""


class Target(NamedTuple):
    """A service, and where it is."""

    kind: Kind
    host: str
    port: int

    @classmethod
    def at(cls, kind: Kind, url: str) -> "Target":
        """The service of that kind at `url`."""
        place = urlsplit(url)
        return cls(kind, place.hostname or "127.0.0.1", place.port or 80)


@dataclass
class Heard:
    """What came of one or more streams. Times in ms."""

    chunks: int = 0
    events: int = 0
    failures: list[str] = field(default_factory=list[str])
    ages: list[float] = field(default_factory=list[float])
    first_ages: list[float] = field(default_factory=list[float])  # from the provider's first byte to our first delta
    first_waits: list[float] = field(default_factory=list[float])  # from the request to our first delta
    paces: list[float] = field(default_factory=list[float])  # how long the provider took to send it all

    def add(self, other: "Heard") -> None:
        """Take in what came of others."""
        self.chunks += other.chunks
        self.events += other.events
        for name in ("failures", "ages", "first_ages", "first_waits", "paces"):
            getattr(self, name).extend(getattr(other, name))


class Stream(asyncio.Protocol):
    """One stream being read. `done` is set when it is over, however that came about."""

    def __init__(self, request: bytes) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status = 0
        self.is_whole = False
        self.heard = Heard()
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._began = self._now = self._first_stamp = self._last_stamp = 0
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._began = time.monotonic_ns()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._now = time.monotonic_ns()
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def on_body(self, body: bytes) -> None:
        """Called by the parser with a piece of the answer's body."""
        whole, newline, self._rest = (self._rest + body).rpartition(b"\n")
        if not newline:
            return
        if _REPEATS in whole:
            whole = b"\n".join(line for line in whole.split(b"\n") if _REPEATS not in line)
        stamps = [int(stamp, 16) for stamp in _MARK.findall(whole)]
        if stamps:
            self.heard.events += whole.count(b"data:")
            self._take(stamps)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of the answer."""
        self.status = self._parser.get_status_code()
        self.is_whole = True
        self._transport.close()

    def abandon(self) -> None:
        """Stop reading."""
        self._transport.abort()

    def result(self, chunks: int) -> Heard:
        """What came, with a failure when it was not exactly `chunks`."""
        heard = self.heard
        heard.paces.append((self._last_stamp - self._first_stamp) / 1e6)
        if self.status != 200 or not self.is_whole or heard.chunks != chunks:
            end = "ended" if self.is_whole else "broke off"
            heard.failures.append(f"status {self.status}, {end} after {heard.chunks} of {chunks} chunks")
        return heard

    def _take(self, stamps: Sequence[int]) -> None:
        heard = self.heard
        ages = [((self._now - stamp) & STAMP_MASK) / 1e6 for stamp in stamps]
        if not heard.chunks:
            heard.first_ages.append(ages[0])
            heard.first_waits.append((self._now - self._began) / 1e6)
            self._first_stamp = stamps[0]
        self._last_stamp = stamps[-1]
        heard.chunks += len(stamps)
        heard.ages += ages


def prepare(target: Target, count: int) -> list[bytes]:
    """`count` requests for one answer each. Sessions are made here, so that no measurement contains it."""
    if target.kind != "chatkeep":
        return [_request(target, number) for number in range(count)]
    connection = http.client.HTTPConnection(target.host, target.port, timeout=30)
    requests: list[bytes] = []
    for _ in range(count):
        connection.request("POST", "/api/sessions", b"{}", {"content-type": "application/json"})
        session = json.loads(connection.getresponse().read())
        requests.append(_post(f"/api/sessions/{session['id']}/messages", {"content": QUESTION}))
    connection.close()
    return requests


async def listen(target: Target, requests: Sequence[bytes], chunks: int, at_most: float) -> Heard:
    """Send all `requests` at once and read their answers; what is not over after `at_most` seconds has failed."""
    loop = asyncio.get_running_loop()
    streams = [Stream(request) for request in requests]
    for stream in streams:
        await loop.create_connection(lambda stream=stream: stream, target.host, target.port)
    _, late = await asyncio.wait([stream.done for stream in streams], timeout=at_most)
    if late:
        for stream in streams:
            stream.abandon()
        await asyncio.wait(late, timeout=5)
    total = Heard()
    for stream in streams:
        total.add(stream.result(chunks))
    return total


async def listen_in_turn(target: Target, requests: Sequence[bytes], chunks: int, at_most: float) -> Heard:
    """The same one by one, each when the service has come to rest."""
    total = Heard()
    for request in requests:
        total.add(await listen(target, [request], chunks, at_most))
        await asyncio.sleep(0.02)
    return total


def _request(target: Target, number: int) -> bytes:
    if target.kind == "naive":
        name = f"{time.monotonic_ns()}-{number}"
        return _post("/chat", {"conversation_id": name, "content": QUESTION})
    return _post("/v1/chat/completions", {"model": "bench", "stream": True})


def _post(path: str, body: dict[str, object]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def main() -> None:
    """Read the arguments, listen once, print what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["chatkeep", "naive", "direct"])
    parser.add_argument("url", help="of the service, e.g. http://127.0.0.1:8000")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--chunks", type=int, default=200, help="that the provider sends per answer")
    parser.add_argument("--timeout", type=float, default=60, help="seconds")
    given = parser.parse_args()
    target = Target.at(given.kind, given.url)
    heard = uvloop.run(listen(target, prepare(target, given.streams), given.chunks, given.timeout))
    print(json.dumps(asdict(heard)))


if __name__ == "__main__":
    main()
