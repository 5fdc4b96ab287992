"""A provider that sends more than it should, or in another way: limits, not memory, decide when it is over."""

import asyncio
import gzip
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from chatkeep.llm.http.transport import RequestHead, Transport
from tests.llm.asking import connected, receive
from tests.provider import Answer, Provider, ProviderRequest, streams, text_chunks

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


def sends(*pieces: bytes) -> Answer:
    """Return an answer of these bytes, after which the provider closes the connection."""

    async def answer(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(pieces))
        await writer.drain()
        writer.close()

    return answer


def repeats(beginning: bytes, piece: bytes) -> Answer:
    """Return an answer that does not end before the client has closed the connection."""

    async def answer(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        while True:
            writer.write(piece)
            await writer.drain()

    return answer


def full(head: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        repeats(b"HTTP/1.1 400 No\r\ncontent-type: text/plain\r\n\r\n", b"too much of a good thing " * 1_000),
        repeats(b"HTTP/1.1 400 No\r\ntransfer-encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n"),
        repeats(b"HTTP/1.1 400 No\r\ncontent-encoding: gzip\r\n\r\n", gzip.compress(bytes(10**6))),
    ],
    ids=["until the end", "chunked", "compressed"],
)
async def test_an_endless_error_is_an_error(provider: Provider, answer: Answer) -> None:
    provider.answers = [answer]
    async with connected(provider) as model:
        received = await receive(model)
    assert received.code == "model_rejected"
    assert len(str(received.failure)) <= 500


async def test_an_error_of_64_kib_is_read(provider: Provider) -> None:
    message = b'{"error": {"message": "' + b"x" * 60_000 + b'", "code": "context_length_exceeded"}}'
    provider.answers = [sends(full("400 No", message))]
    async with connected(provider) as model:
        assert (await receive(model)).code == "context_overflow"


async def test_a_compressed_answer_is_refused(provider: Provider) -> None:
    body = gzip.compress(b"".join(text_chunks("Hello")))
    provider.answers = [sends(full("200 OK\r\ncontent-encoding: gzip", body))]
    async with connected(provider) as model:
        received = await receive(model)
    assert (received.code, received.chunks) == ("model_protocol", [])
    assert "compresses" in str(received.failure)


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
async def test_an_answer_that_is_not_compressed_may_say_so(provider: Provider, encoding: str) -> None:
    body = b"".join(text_chunks("Hello"))
    provider.answers = [sends(full(f"200 OK\r\ncontent-encoding: {encoding}", body))]
    async with connected(provider) as model:
        assert (await receive(model)).text == "Hello"


@pytest.mark.parametrize(
    "answer",
    [
        repeats(STREAM + b"x-long: ", b"x" * 10_000),
        repeats(STREAM, b"x-header: and another\r\n"),
        repeats(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
        repeats(b"HTTP/1.1 200 ", b"O" * 10_000),
        sends(STREAM + b"x-long: " + b"x" * 70_000 + b"\r\n\r\n"),
    ],
    ids=["one header", "many headers", "interim responses", "reason", "in one piece"],
)
async def test_a_head_over_64_kib_is_refused(provider: Provider, answer: Answer) -> None:
    provider.answers = [answer]
    async with connected(provider) as model:
        received = await receive(model)
    assert (received.code, received.chunks) == ("model_unavailable", [])


async def test_a_head_of_60_kb_is_read(provider: Provider) -> None:
    body = b"".join(text_chunks("Hello"))
    provider.answers = [sends(full("200 OK\r\nx-long: " + "x" * 60_000, body))]
    async with connected(provider) as model:
        assert (await receive(model)).text == "Hello"


@pytest.mark.parametrize("headers", [b"", b"connection: upgrade\r\nupgrade: websocket\r\n"])
async def test_another_protocol_is_an_error(
    provider: Provider, headers: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    provider.answers = [repeats(b"HTTP/1.1 101 Switching Protocols\r\n" + headers + b"\r\n", b"\x81\x05Hello")]
    async with connected(provider) as model:
        received = await receive(model)
    assert (received.code, received.chunks) == ("model_unavailable", [])
    assert "another protocol" in str(received.failure)
    assert not caplog.records


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/", "data:,x", "gopher:x"])
async def test_a_redirect_to_another_scheme_is_refused(provider: Provider, target: str) -> None:
    provider.answers = [sends(full(f"307 Elsewhere\r\nlocation: {target}", b""))]
    async with connected(provider) as model:
        assert (await receive(model)).code == "model_unavailable"


async def test_an_endless_redirect_is_followed(provider: Provider) -> None:
    elsewhere = f"HTTP/1.1 307 Elsewhere\r\nlocation: {provider.url}/elsewhere\r\n\r\n"
    provider.answers = [repeats(elsewhere.encode(), b"x" * 10_000), streams(*text_chunks("Hello"))]
    async with connected(provider) as model:
        assert (await receive(model)).text == "Hello"


@contextmanager
def dead_address() -> Generator[tuple[str, int]]:
    """An address of this machine at which a connection is neither opened nor refused."""
    with ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.2", 0))
        listening.listen(0)
        for _ in range(4):  # as many as the kernel queues; it ignores the next
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()


async def test_a_host_whose_first_address_is_dead_answers(provider: Provider) -> None:
    _, _, port = provider.url.removesuffix("/v1").rpartition(":")
    with dead_address() as dead:
        alive = ("127.0.0.1", int(port))

        async def resolve(host: str, port: int) -> list[tuple[int, int, int, str, tuple[Any, ...]]]:
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address) for address in (dead, alive)]

        transport = Transport(resolve=resolve)
        provider.answers = [streams(*text_chunks("Hello"))]
        lines = b"POST /v1 HTTP/1.1\r\nhost: here\r\n"
        status, _, body = await transport.send(RequestHead((b"http", "here", 80), lines, 20), b"{}")
        await body.aclose()
        await transport.aclose()
    assert status == 200
