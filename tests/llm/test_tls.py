"""Providers behind TLS that are not who they should be, or stop in the middle."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from chatkeep.llm.http.tls import MAX_RECORD_BYTES, TlsLayer
from chatkeep.llm.http.transport import RequestHead, Transport
from tests.llm.certificates import make_certificate, server_context

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BODY_UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhalf an ans"


@asynccontextmanager
async def served(serve: Serve, context: ssl.SSLContext | None) -> AsyncGenerator[tuple[Transport, int]]:
    """A transport, and the port of a server that answers its first connection by `serve`."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        writer.close()

    listening = await asyncio.start_server(once, "127.0.0.1", 0, ssl=context)
    transport = Transport()
    try:
        yield transport, listening.sockets[0].getsockname()[1]
    finally:
        await transport.aclose()
        listening.close()


def head(port: int, host: str = "localhost", connect_seconds: float | None = None) -> RequestHead:
    return RequestHead((b"https", host, port), b"POST / HTTP/1.1\r\nhost: here\r\n", connect_seconds)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a request with its own body."""
    sent = await reader.readuntil(b"\r\n\r\n")
    length = int(sent.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length + await reader.readexactly(length))
    await writer.drain()


async def answer(transport: Transport, head: RequestHead, content: bytes = b"") -> bytes:
    """Return the whole body of the answer."""
    deadline = asyncio.get_running_loop().time() + 20
    _, _, body = await transport.send(head, content, deadline)
    pieces: list[bytes] = []
    try:
        while data := await body.read(deadline):
            pieces.append(data)
    finally:
        await body.aclose()
    return b"".join(pieces)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A key and a certificate for localhost and 127.0.0.1."""
    return make_certificate(tmp_path)


@pytest.fixture
def trusted(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same file, trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


@pytest.mark.parametrize("size", [0, 1, MAX_RECORD_BYTES, 3_000_000])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_bodies_of_any_size_pass_both_ways(trusted: Path, size: int, host: str) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with served(echo, server_context(trusted)) as (transport, port):
        assert await answer(transport, head(port, host), content) == content


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_of_tls_are_spoken(trusted: Path, version: ssl.TLSVersion) -> None:
    context = server_context(trusted)
    context.minimum_version = context.maximum_version = version
    async with served(echo, context) as (transport, port):
        assert await answer(transport, head(port), b"hello") == b"hello"


async def test_a_certificate_that_is_not_trusted_is_refused(file: Path) -> None:
    async with served(echo, server_context(file)) as (transport, port):
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            await answer(transport, head(port), b"secret")


async def test_a_certificate_of_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_certificate(tmp_path, "DNS:elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with served(echo, server_context(file)) as (transport, port):
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            await answer(transport, head(port), b"secret")


async def test_a_server_without_tls_is_a_connect_error(trusted: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async with served(greet, None) as (transport, port):
        with pytest.raises(httpx2.ConnectError, match="SSL"):
            await answer(transport, head(port))


async def test_a_server_that_leaves_is_a_connect_error(trusted: Path) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with served(leave, None) as (transport, port):
        with pytest.raises(httpx2.ConnectError, match="closed the connection"):
            await answer(transport, head(port))


async def test_the_handshake_counts_in_the_time_to_connect(trusted: Path) -> None:
    left: list[bytes] = []

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left.append(await reader.read())

    async with served(keep_silent, None) as (transport, port):
        with pytest.raises(httpx2.ConnectTimeout):
            await answer(transport, head(port, connect_seconds=0.05))
        async with asyncio.timeout(10):
            while not left:
                await asyncio.sleep(0.005)
    assert left[0]


async def test_a_body_cut_without_a_word_of_tls_is_no_end(trusted: Path) -> None:
    """A body that ends with its connection: without close_notify, others may have cut it (RFC 8446 §6.1)."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(BODY_UNTIL_CLOSE)
        await writer.drain()
        writer.transport.abort()

    async with served(cut, server_context(trusted)) as (transport, port):
        with pytest.raises(httpx2.ReadError):
            await answer(transport, head(port))


async def test_a_body_may_end_with_tls(trusted: Path) -> None:
    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(BODY_UNTIL_CLOSE)
        await writer.drain()

    async with served(end, server_context(trusted)) as (transport, port):
        assert await answer(transport, head(port)) == b"half an ans"


def test_bytes_that_are_no_records_are_an_error(file: Path) -> None:
    client, server = _open_pair(file)
    assert client.decrypt(server.encrypt(b"one") + server.encrypt(b"two")) == b"onetwo"
    with pytest.raises(ssl.SSLError):
        client.decrypt(b"\x17\x03\x03\x00\x20" + bytes(32))


def test_records_may_come_in_any_pieces(file: Path) -> None:
    client, server = _open_pair(file)
    records = b"".join(server.encrypt(b"%03d" % number) for number in range(50))
    pieces = [records[start : start + 7] for start in range(0, len(records), 7)]
    assert b"".join(map(client.decrypt, pieces)) == b"".join(b"%03d" % number for number in range(50))


class _ServerLayer(TlsLayer):
    """The other side."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.is_open = self.has_ended = False
        self._answered = 0
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._openssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)


def _open_pair(file: Path) -> tuple[TlsLayer, TlsLayer]:
    """A client and a server after their handshake."""
    client = TlsLayer(ssl.create_default_context(cafile=file), "localhost")
    server = _ServerLayer(server_context(file))
    client.shake_hands()
    while not (client.is_open and server.is_open):
        server.shake_hands(client.take_answer())
        client.shake_hands(server.take_answer())
    return client, server
