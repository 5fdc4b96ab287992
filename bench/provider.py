"""A model provider on the loopback that is never the bottleneck: ready-made bytes, one write a chunk.

Each delta is ` ~` and the time of its sending. So whoever reads a service's stream, in whatever format, can
count the chunks that arrived and tell the age of each.
"""

import argparse
import asyncio
import itertools
import re
import time
from typing import NamedTuple, cast

import uvloop

GOLDEN = 0.6180339887
"""Of an interval, between the phases of one answer and the next: real answers do not march in step."""
STAMP_MASK = (1 << 48) - 1
"""A stamp is the monotonic clock in ns, modulo three days: twelve hexadecimal digits."""

_CHUNK = (
    b'data: {"id":"chatcmpl-BqT7xK2mYc4VnR8sLwZpD1eHjF0aU","object":"chat.completion.chunk","created":1763790000,'
    b'"model":"bench-model-2025-11-22","service_tier":"default","system_fingerprint":"fp_560af6e559",'
    b'"choices":[{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}],"usage":null,"obfuscation":"aB3dE9"}\n\n'
)
_USAGE = (
    b'data: {"id":"chatcmpl-BqT7xK2mYc4VnR8sLwZpD1eHjF0aU","object":"chat.completion.chunk","created":1763790000,'
    b'"model":"bench-model-2025-11-22","choices":[],'
    b'"usage":{"prompt_tokens":40,"completion_tokens":200,"total_tokens":240}}\n\n'
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _framed(data: bytes) -> bytes:
    """`data` as a chunk of HTTP/1.1."""
    return b"%x\r\n%b\r\n" % (len(data), data)


_BEGIN = _HEAD + _framed(_CHUNK % (b'{"role":"assistant","content":"","refusal":null}', b"null"))
_NO_STAMP = b"000000000000"
_BEFORE, _AFTER = _framed(_CHUNK % (b'{"content":" ~%b"}' % _NO_STAMP, b"null")).split(_NO_STAMP)
_END = _framed(_CHUNK % (b"{}", b'"stop"')) + _framed(_USAGE) + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Pace(NamedTuple):
    """What every answer is like; times in seconds."""

    chunks: int
    interval: float
    delay: float


class Connection(asyncio.Protocol):
    """A connection of a client, which asks for one answer after another."""

    def __init__(self, pace: Pace, phase: float) -> None:
        """`phase`: seconds that this connection's answers begin later."""
        self._pace = pace
        self._phase = phase
        self._loop = asyncio.get_running_loop()
        self._request = b""
        self._sent = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Gather one request, whatever it asks; the client sends the next one after the answer."""
        self._request += data
        head, blank_line, body = self._request.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if blank_line and len(body) >= (int(length[1]) if length else 0):
            self._request = b""
            self._sent = 0
            self._due = self._loop.time() + self._pace.delay + self._phase
            self._timer = self._loop.call_at(self._due, self._send)

    def _send(self) -> None:
        """Send the next chunk. The first one comes together with the head, so that its stamp is the first byte's."""
        delta = _BEFORE + b"%012x" % (time.monotonic_ns() & STAMP_MASK) + _AFTER
        self._transport.write(delta if self._sent else _BEGIN + delta)
        self._sent += 1
        self._due += self._pace.interval
        self._timer = self._loop.call_at(self._due, self._send if self._sent < self._pace.chunks else self._finish)

    def _finish(self) -> None:
        self._transport.write(_END)


async def serve(pace: Pace) -> None:
    """Serve on a free port, which is printed, until the process is ended."""
    loop = asyncio.get_running_loop()
    phases = (number * GOLDEN % 1 * pace.interval for number in itertools.count())
    server = await loop.create_server(lambda: Connection(pace, next(phases)), "127.0.0.1", 0, backlog=1024)
    print(f"ready: http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=200, help="deltas in an answer")
    parser.add_argument("--interval-ms", type=float, default=20, help="between two of them")
    parser.add_argument("--delay-ms", type=float, default=50, help="before the first")
    given = parser.parse_args()
    uvloop.run(serve(Pace(given.chunks, given.interval_ms / 1000, given.delay_ms / 1000)))


if __name__ == "__main__":
    main()
