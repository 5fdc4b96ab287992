"""Bytes to the service as a client sends them that keeps no rule of HTTP, and the answers' bytes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec

PATIENCE_SECONDS = 30


@dataclass
class Connection:
    """A connection to the service."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        """Send some bytes. If the service has closed the connection, they are lost."""
        with suppress(ConnectionError):
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()

    async def read_all(self) -> bytes:
        """Return what comes until the service closes the connection."""
        received = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionError):
                while data := await self.reader.read(65_536):
                    received += data
        return received

    async def read_until(self, end: bytes) -> bytes:
        """Return what comes up to `end`, which must come."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readuntil(end)


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Connection]:
    """Open a connection to the service at `url`, and close it at the end."""
    address = httpx2.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


async def ask(url: str, *pieces: bytes) -> bytes:
    """Send some bytes on a connection of their own, and return all that comes until it is closed."""
    async with connected(url) as connection:
        await connection.send(*pieces)
        return await connection.read_all()


def refusal(answer: bytes) -> tuple[int, str]:
    """Return status and code of an answer that is a problem document and ends the connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("ascii").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    document: dict[str, Any] = msgspec.json.decode(body)
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert status_line.split(" ")[1] == str(document["status"])
    return document["status"], document["code"]
