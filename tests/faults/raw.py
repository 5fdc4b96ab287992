"""A client on a bare socket, which controls each byte that it sends and reads, and how it disconnects."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

from tests.api.streams import PATIENCE, Event
from tests.service import Service


def request(method: str, path: str, body: object = None, **headers: str) -> bytes:
    """Return a request as bytes. `body` is sent as JSON; `_` in a header's name stands for a hyphen."""
    content = b"" if body is None else json.dumps(body).encode()
    fields = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body is not None:
        fields = {"content-type": "application/json", "content-length": str(len(content)), **fields}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class Raw:
    """A connection."""

    def __init__(self, connected: socket.socket) -> None:
        self.got = b""
        self._socket = connected
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def dial(cls, service: Service, window: int | None = None) -> Self:
        """Connect. `window`: about how many received bytes the kernel may buffer."""
        client = socket.socket()
        client.setblocking(False)
        if window is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        url = urlsplit(service.url)
        await asyncio.get_running_loop().sock_connect(client, (url.hostname, url.port))
        return cls(client)

    async def send(self, data: bytes) -> None:
        """Send all of `data`."""
        async with asyncio.timeout(PATIENCE):
            await self._loop.sock_sendall(self._socket, data)

    async def read(self, most: int = 65_536) -> bytes:
        """Read at most so many bytes; b"" at the end."""
        async with asyncio.timeout(PATIENCE):
            data = await self._loop.sock_recv(self._socket, most)
        self.got += data
        return data

    async def read_until(self, mark: bytes) -> bytes:
        """Read until `mark` has come. Return all bytes so far."""
        while mark not in self.got:
            assert await self.read(), f"the connection ended without {mark!r}: {self.got[-300:]!r}"
        return self.got

    async def read_bytes(self, count: int) -> bytes:
        """Read `count` bytes and no more, or up to the end."""
        begin = len(self.got)
        while (left := begin + count - len(self.got)) and await self.read(left):
            pass
        return self.got[begin:]

    async def read_answer(self) -> tuple[int, bytes]:
        """Return the next response: status and body, without the chunks' framing. Later bytes stay in `got`."""
        head, _, self.got = (await self.read_until(b"\r\n\r\n")).partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        lines = [line.partition(b":") for line in head.lower().split(b"\r\n")]
        fields = {name: value.strip() for name, _, value in lines}
        if fields.get(b"transfer-encoding") == b"chunked":
            return status, await self._read_chunks()
        length = int(fields.get(b"content-length", b"0"))
        await self.read_bytes(max(0, length - len(self.got)))
        body, self.got = self.got[:length], self.got[length:]
        return status, body

    async def _read_chunks(self) -> bytes:
        chunks: list[bytes] = []
        while True:
            size, _, self.got = (await self.read_until(b"\r\n")).partition(b"\r\n")
            length = int(size, 16)
            await self.read_bytes(max(0, length + 2 - len(self.got)))
            chunks.append(self.got[:length])
            self.got = self.got[length + 2 :]
            if not length:
                return b"".join(chunks)

    def reset(self) -> None:
        """Disconnect with RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()


@asynccontextmanager
async def dialling(service: Service, window: int | None = None) -> AsyncGenerator[Raw]:
    """Open a connection, and reset it when the block ends."""
    raw = await Raw.dial(service, window)
    try:
        yield raw
    finally:
        raw.reset()


def events_in(body: bytes) -> list[Event]:
    """Return the complete events in a stream's bytes, which may be cut anywhere."""
    blocks = body.split(b"\n\n")[:-1]
    lines = [dict(line.split(b": ", 1) for line in block.split(b"\n") if line[:1] != b":") for block in blocks]
    return [{**json.loads(fields[b"data"]), "id": fields[b"id"].decode()} for fields in lines]


def whole_chunks(got: bytes) -> bytes:
    """Return the complete chunks of a response's body, which may be cut anywhere."""
    _, _, rest = got.partition(b"\r\n\r\n")
    body: list[bytes] = []
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if len(rest) < length + 2:
            break
        body.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(body)


async def answered(service: Service, data: bytes) -> Any:
    """Send a request as bytes, and return the JSON of its answer."""
    async with dialling(service) as raw:
        await raw.send(data)
        status, body = await raw.read_answer()
        assert status < 300, body
        return json.loads(body)
