"""A proxy of the environment, between the service and its provider."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.llm.asking import connected, receive
from tests.llm.certificates import make_certificate, server_context
from tests.provider import Provider, streams, text_chunks

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

OPENED = b"HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n"


class TunnelProxy:
    """An HTTP proxy with nothing but tunnels. `answer` is the answer to CONNECT; all tunnels lead to `target`."""

    def __init__(self) -> None:
        self.answer: bytes | None = OPENED
        self.target = 0
        self.heads: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        if self.answer is not None:
            writer.write(self.answer)
        if self.answer != OPENED:
            await reader.read()
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[TunnelProxy]:
    """A proxy for https, in the environment."""
    proxy = TunnelProxy()
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://user:word@127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    monkeypatch.setenv("https_proxy", proxy.url)
    yield proxy
    listening.close()


@pytest.fixture
async def secret_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: TunnelProxy
) -> AsyncGenerator[Provider]:
    """A provider behind TLS, whose name only the proxy can resolve."""
    file = make_certificate(tmp_path, "DNS:far.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with Provider([streams(*text_chunks("Hello"))], tls=server_context(file)) as provider:
        proxy.target = int(provider.url.removesuffix("/v1").rpartition(":")[2])
        provider.url = "https://far.example/v1"
        yield provider


async def test_a_tunnel_serves_all_requests(proxy: TunnelProxy, secret_provider: Provider) -> None:
    async with connected(secret_provider) as model:
        for _ in range(3):
            assert (await receive(model)).text == "Hello"
    assert len(secret_provider.requests) == 3
    assert "proxy-authorization" not in secret_provider.requests[0].headers
    (head,) = proxy.heads
    assert head.splitlines() == [
        b"CONNECT far.example:443 HTTP/1.1",
        b"host: far.example:443",
        b"proxy-authorization: Basic dXNlcjp3b3Jk",
        b"",
    ]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n", "the proxy refuses a tunnel"),
        (b"HTTP/1.1 502 No\r\n\r\n" + b"x" * 100_000, "the proxy refuses a tunnel"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 70_000, "head"),
        (b"what?\r\n\r\n", "does not speak HTTP"),
        (OPENED + b"and more than that", "more than the answer"),
    ],
)
async def test_a_proxy_that_fails_is_an_error(
    proxy: TunnelProxy, secret_provider: Provider, answer: bytes, message: str
) -> None:
    proxy.answer = answer
    async with connected(secret_provider) as model:
        received = await receive(model)
    assert (received.code, received.chunks) == ("model_unavailable", [])
    assert message in str(received.failure)
    assert not secret_provider.requests


async def test_a_silent_proxy_counts_in_the_time_to_connect(proxy: TunnelProxy, secret_provider: Provider) -> None:
    proxy.answer = None
    async with connected(secret_provider, connect_timeout=0.05) as model:
        assert (await receive(model)).code == "model_unavailable"


async def test_plain_requests_keep_their_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Provider([streams(*text_chunks("Hello"))]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("://", "://user:word@").removesuffix("/v1"))
        async with connected(proxy, openai_base_url="http://far.example:81/v1") as model:
            for _ in range(3):
                assert (await receive(model)).text == "Hello"
            assert len(proxy.connections) == 1
    assert [request.path for request in proxy.requests] == ["http://far.example:81/v1/chat/completions"] * 3
    assert [request.headers["proxy-authorization"] for request in proxy.requests] == ["Basic dXNlcjp3b3Jk"] * 3
    assert proxy.requests[0].headers["host"] == "far.example:81"
