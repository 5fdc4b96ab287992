"""Providers that misbehave: every run ends with the right status and code, keeps its text, and the chat goes on."""

import asyncio
import gzip
from pathlib import Path

import pytest

from tests.api.streams import until
from tests.faults.provider_checks import TINY, check_answer, check_log, check_next_message, serving_with
from tests.provider import Answer, Provider, ProviderRequest, refuses, streams, text_chunks

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
SSE = b"".join(text_chunks("To get 🐔", " across"))
HALF = text_chunks("half", reason=None, usage=None)[0]


def writes(*pieces: bytes, keep: bool = False) -> Answer:
    """Return an answer that writes these bytes, head included, and then closes the connection unless `keep`."""

    async def answer(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if not keep:
            writer.close()
            raise ConnectionResetError("closed on purpose")

    return answer


def chunk(data: bytes) -> bytes:
    """Return `data` as a chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def silence(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def tears(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    raise ConnectionResetError("torn on purpose")


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until it closes"])
async def test_an_answer_may_come_byte_by_byte(tmp_path: Path, provider: Provider, chunked: bool) -> None:
    pieces = [bytes([byte]) for byte in SSE]
    head = HEAD + (b"transfer-encoding: chunked\r\n\r\n" if chunked else b"\r\n")
    whole = [bytes([byte]) for byte in head] + ([*map(chunk, pieces), b"0\r\n\r\n"] if chunked else pieces)

    async def drip(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        for piece in whole:
            writer.write(piece)
            await asyncio.sleep(0.0005)
        writer.close()
        raise ConnectionResetError("closed on purpose")

    provider.answers = [drip]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, "completed", text="To get 🐔 across")


@pytest.mark.parametrize(
    "answer",
    [silence, writes(HEAD + b"transfer-encoding: chunked\r\n\r\n", keep=True), writes(HEAD + b"x-more: ", keep=True)],
    ids=["not a byte", "a head alone", "half a head"],
)
async def test_no_answer_in_time_is_model_timeout(tmp_path: Path, provider: Provider, answer: Answer) -> None:
    async def stays(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        await answer(request, writer)
        await asyncio.Event().wait()

    provider.answers = [stays]
    async with serving_with(tmp_path, provider, first_byte_timeout=TINY) as service:
        await check_answer(service, provider, "failed", "model_timeout")
        await until(lambda: provider.disconnects == 1)


async def test_an_answer_that_falls_silent_is_model_timeout(tmp_path: Path, provider: Provider) -> None:
    provider.answers = [streams(HALF, asyncio.Event())]
    async with serving_with(tmp_path, provider, idle_timeout=TINY) as service:
        await check_answer(service, provider, "failed", "model_timeout", "half")
        await until(lambda: provider.disconnects == 1)


async def test_an_endless_error_body_is_not_waited_for(tmp_path: Path, provider: Provider) -> None:
    head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"

    async def drip(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(chunk(b" "))
            await asyncio.sleep(0.01)

    provider.answers = [drip]
    async with serving_with(tmp_path, provider, first_byte_timeout=TINY) as service:
        await check_answer(service, provider, "failed", "model_timeout")
        await until(lambda: provider.disconnects == 1)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        pytest.param(refuses(200, "<html><body>Sign in</body></html>\n"), "failed", "model_protocol", id="html"),
        pytest.param(refuses(200, {"choices": []}), "failed", "model_protocol", id="json"),
        pytest.param(tears, "failed", "model_unavailable", id="closes without an answer"),
        pytest.param(writes(b"220 mail.example ESMTP\r\n"), "failed", "model_unavailable", id="another protocol"),
        pytest.param(writes(b"\x15\x03\x01\x00\x02\x02\x50"), "failed", "model_unavailable", id="TLS"),
        pytest.param(writes(HEAD + b"content-length: 0\r\n\r\n"), "incomplete", None, id="an empty body"),
        pytest.param(streams(), "incomplete", None, id="an empty stream"),
        pytest.param(writes(HEAD + b"content-length: 9\r\n\r\n"), "failed", "model_unavailable", id="torn at once"),
    ],
)
async def test_a_malformed_answer_ends_the_run(
    tmp_path: Path, provider: Provider, answer: Answer, status: str, code: str | None
) -> None:
    provider.answers = [answer]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, status, code)


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"400\r\ndata: {", id="in a chunk"),
        pytest.param(b"4", id="in a chunk's size"),
        pytest.param(b"", id="between two chunks"),
        pytest.param(b"zz\r\nhello\r\n", id="a size that is none"),
        pytest.param(b"3\r\ndata: a\r\n", id="a size that is wrong"),
    ],
)
async def test_a_body_that_breaks_keeps_its_text(tmp_path: Path, provider: Provider, rest: bytes) -> None:
    provider.answers = [writes(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk(HALF), rest)]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, "failed", "model_unavailable", "half")


async def test_a_body_shorter_than_declared_keeps_its_text(tmp_path: Path, provider: Provider) -> None:
    provider.answers = [writes(HEAD + b"content-length: 4096\r\n\r\n" + HALF)]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, "failed", "model_unavailable", "half")


@pytest.mark.parametrize(
    "garbage",
    [b"data: <html>\n\n", b'data: {"error":{"message":"late"}}\n\n', HALF, b"\x00\xff" * 4096],
    ids=["no json", "an error", "more text", "no text"],
)
@pytest.mark.parametrize("apart", [False, True], ids=["in one piece", "in a piece of its own"])
async def test_nothing_after_done_is_read(tmp_path: Path, provider: Provider, garbage: bytes, apart: bool) -> None:
    provider.answers = [streams(SSE, garbage) if apart else streams(SSE + garbage)]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, "completed", text="To get 🐔 across")


async def test_an_unrequested_second_answer_joins_no_other_answer(tmp_path: Path, provider: Provider) -> None:
    def plain(body: bytes) -> bytes:
        return HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)

    first, second = (b"".join(text_chunks(text)) for text in ("first", "second"))
    unfinished = first.removesuffix(b"data: [DONE]\n\n")  # so that all of the body is read
    provider.answers = [writes(plain(unfinished) + plain(second), keep=True)]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, "completed", text="first")


async def test_a_redirect_is_followed_with_the_prompt(tmp_path: Path, provider: Provider) -> None:
    provider.answers = [refuses(307, "", {"location": "/elsewhere?a=b"}), streams(*text_chunks("here"))]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, "completed", text="here")
    first, second, _ = provider.requests
    assert (first.path, second.path) == ("/v1/chat/completions", "/elsewhere?a=b")
    assert second.body == first.body
    assert second.headers["authorization"] == "Bearer x"


async def test_endless_redirects_are_an_error(tmp_path: Path, provider: Provider) -> None:
    provider.answers = [refuses(307, "", {"location": "/round"})]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, "failed", "model_unavailable")


async def test_a_redirect_sends_no_key_to_another_origin(tmp_path: Path, provider: Provider) -> None:
    async with Provider([streams(*text_chunks("got it"))]) as other:
        provider.answers = [refuses(307, "", {"location": f"{other.url}/chat/completions"})]
        async with serving_with(tmp_path, provider) as service:
            await check_answer(service, provider, "completed", text="got it")
    assert "authorization" not in other.requests[0].headers


@pytest.mark.parametrize("apart", [False, True], ids=["in one piece", "byte by byte"])
async def test_an_unrequested_compressed_answer_is_refused(tmp_path: Path, provider: Provider, apart: bool) -> None:
    body = gzip.compress(SSE)
    pieces = [bytes([byte]) for byte in body] if apart else [body]
    head = HEAD + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
    provider.answers = [writes(head, *map(chunk, pieces), b"0\r\n\r\n", keep=True)]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, "failed", "model_protocol")
    assert provider.requests[0].headers["accept-encoding"] == "identity"


async def test_an_answer_falsely_marked_compressed_is_an_error(tmp_path: Path, provider: Provider) -> None:
    provider.answers = [writes(HEAD + b"content-encoding: gzip\r\n\r\n" + SSE)]
    async with serving_with(tmp_path, provider) as service:
        session_id = await service.session()
        answer = await service.send(session_id, "why?")
        assert answer["run"]["status"] == "failed"
        assert answer["run"]["error"]["code"] in ("model_protocol", "model_unavailable")
        await check_log(service, answer)
        await check_next_message(service, provider, session_id)
