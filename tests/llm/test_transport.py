"""The transport: connections that are kept, and readers who come less often than the data do. With TLS and without."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from chatkeep.llm.http.connection import HttpConnection
from chatkeep.llm.http.transport import RequestHead, ResponseBody, Transport
from tests.llm.certificates import make_certificate, server_context

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Server:
    """Takes connections, and leaves it to the test what is said on them."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self.connections = 0
        self.port = 0
        self.scheme = b"http"
        self.writers: list[asyncio.StreamWriter] = []
        self.bodies: list[ResponseBody] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Tell the test of a connection."""
        self.connections += 1
        self.writers.append(writer)
        await self.came.put((reader, writer))

    async def asked(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The next connection, when its first request is there."""
        reader, writer = await self.came.get()
        await reader.readuntil(b"\r\n\r\n")
        return reader, writer


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
async def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Server]:
    server, context = Server(), None
    if request.param:
        file = make_certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        server.scheme, context = b"https", server_context(file)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    for writer in server.writers:
        writer.close()
    listening.close()


@pytest.fixture
async def transport(server: Server) -> AsyncGenerator[Transport]:
    transport = Transport()
    yield transport
    for body in server.bodies:
        await body.aclose()
    await transport.aclose()
    await arrived()


def head(server: Server) -> RequestHead:
    return RequestHead((server.scheme, "127.0.0.1", server.port), b"POST / HTTP/1.1\r\nhost: here\r\n", None)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def arrived() -> None:
    """Until what was written has come over loopback: the event loop has nothing left to do."""
    for _ in range(20):
        await asyncio.sleep(0.001)


async def late(server: Server, transport: Transport) -> tuple[ResponseBody, asyncio.StreamReader, asyncio.StreamWriter]:
    """A body of which two pieces have come, the first before its reader asked for it, and been read."""
    sending = asyncio.ensure_future(transport.send(head(server), b""))
    reader, writer = await server.asked()
    writer.write(HEAD + chunk(b"one "))
    status, _, body = await sending
    server.bodies.append(body)
    await arrived()
    assert (status, await body.read(due(10))) == (200, b"one ")
    writer.write(chunk(b"two "))
    await arrived()
    assert await body.read(due(10)) == b"two "
    return body, reader, writer


def due(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_a_late_reader_gets_all_that_came_since(server: Server, transport: Transport) -> None:
    body, _, writer = await late(server, transport)
    for piece in (b"three ", b"four ", b"five "):
        writer.write(chunk(piece))
        await arrived()
    assert await body.read(due(10)) == b"three four five "
    waiting = asyncio.ensure_future(body.read(due(10)))  # nothing is there now: it waits as if it had never been late
    await arrived()
    assert not waiting.done()
    writer.write(chunk(b"six") + chunk(b""))
    assert await waiting == b"six"
    assert await body.read(due(10)) == b""


async def ask_again(server: Server, transport: Transport, reader: asyncio.StreamReader) -> None:
    """One more request on the connection that `reader` reads, answered there."""
    sending = asyncio.ensure_future(transport.send(head(server), b""))
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    server.writers[0].write(b"HTTP/1.1 204 Again\r\n\r\n")
    status, _, body = await sending
    server.bodies.append(body)
    assert status == 204


async def test_a_connection_read_late_serves_the_next_request(server: Server, transport: Transport) -> None:
    body, reader, writer = await late(server, transport)
    writer.write(chunk(b"three") + chunk(b""))
    await arrived()
    assert await body.read(due(10)) == b"three"
    assert await body.read(due(10)) == b""
    await body.aclose()
    await ask_again(server, transport, reader)
    assert server.connections == 1


async def test_closing_a_body_twice_harms_no_later_request(server: Server, transport: Transport) -> None:
    body, reader, _ = await late(server, transport)
    server.writers[0].write(chunk(b""))
    assert await body.read(due(10)) == b""
    await body.aclose()
    sending = asyncio.ensure_future(transport.send(head(server), b""))
    await reader.readuntil(b"\r\n\r\n")
    await body.aclose()
    server.writers[0].write(HEAD + chunk(b"mine") + chunk(b""))
    _, _, mine = await sending
    server.bodies.append(mine)
    assert await mine.read(due(10)) == b"mine"


@pytest.mark.parametrize(("header", "seconds"), [(b"connection: close\r\n", 30.0), (b"", -1.0)])
async def test_a_closed_or_old_connection_is_not_used_again(server: Server, header: bytes, seconds: float) -> None:
    transport = Transport(idle_seconds=seconds)
    for number in (1, 2):
        sending = asyncio.ensure_future(transport.send(head(server), b""))
        _, writer = await server.asked()
        writer.write(b"HTTP/1.1 200 OK\r\n" + header + b"content-length: 3\r\n\r\none")
        _, _, body = await sending
        assert await body.read(due(10)) == b"one"
        await body.aclose()
        assert server.connections == number


async def test_a_body_that_is_done_may_end_a_moment_later(server: Server, transport: Transport) -> None:
    body, reader, writer = await late(server, transport)
    await body.close(is_done=True)
    writer.write(chunk(b"nobody wants this") + chunk(b""))
    await arrived()
    await ask_again(server, transport, reader)
    assert server.connections == 1


async def test_a_body_that_does_not_end_costs_its_connection(server: Server) -> None:
    body, reader, _ = await late(server, Transport(body_end_seconds=0.02))
    await body.close(is_done=True)
    assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_more_than_one_sweep_takes_comes_in_order(server: Server, transport: Transport) -> None:
    body, _, writer = await late(server, transport)
    said = b"".join(b"%07d " % number for number in range(40_000))
    writer.write(chunk(said) + chunk(b""))
    heard = b""
    while data := await body.read(due(10)):
        heard += data
        await arrived()
    assert heard == said


async def test_nothing_more_until_the_time_limit_is_a_timeout(server: Server, transport: Transport) -> None:
    body, _, _ = await late(server, transport)
    with pytest.raises(TimeoutError):
        await body.read(due(0.05))


async def test_a_broken_connection_fails_after_its_data(server: Server, transport: Transport) -> None:
    body, _, writer = await late(server, transport)
    writer.write(chunk(b"three"))
    writer.close()
    await arrived()
    assert await body.read(due(10)) == b"three"
    with pytest.raises(httpx2.ReadError):
        await body.read(due(10))


async def test_a_body_may_end_with_its_connection(server: Server, transport: Transport) -> None:
    sending = asyncio.ensure_future(transport.send(head(server), b""))
    _, writer = await server.asked()
    writer.write(b"HTTP/1.1 200 OK\r\n\r\none ")
    _, _, body = await sending
    server.bodies.append(body)
    await arrived()
    assert await body.read(due(10)) == b"one "
    writer.write(b"two")
    await writer.drain()
    writer.close()
    await arrived()
    assert await body.read(due(10)) == b"two"
    assert await body.read(due(10)) == b""


async def test_hanging_up_while_nobody_reads_leaves_the_socket_alone(server: Server, transport: Transport) -> None:
    body, reader, _ = await late(server, transport)
    await body.aclose()
    assert await reader.read() == b""
    with pytest.raises(httpx2.ReadError):
        await body.read(due(10))


class NeverConnecting(Transport):
    """A transport whose provider takes no connection."""

    async def _connect(self, head: RequestHead) -> HttpConnection:
        await asyncio.Event().wait()
        raise AssertionError("never")


async def test_making_a_connection_counts_in_the_time_limit(server: Server) -> None:
    with pytest.raises(TimeoutError):
        await NeverConnecting().send(head(server), b"", asyncio.get_running_loop().time())
