"""`OpenAIModel` and a real HTTP server that fails in every way: the error codes, and what is retried."""

import asyncio
import socket

import pytest

from chatkeep.errors import ModelUnavailable
from tests.llm.asking import KEY, PROMPT, ReceivedAnswer, connected, receive
from tests.provider import Answer, Provider, ProviderRequest, refuses, streams, text_chunks

pytestmark = pytest.mark.anyio

HELLO, *REST = text_chunks("Hello")
AT_ONCE = {"retry-after": "0"}
SOON = pytest.mark.timeout(30)
"""Below the time limits that are not set: a test of one that is."""


async def tears(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
    """Disconnect instead of answering."""
    writer.transport.abort()
    raise ConnectionResetError("torn on purpose")


def failing(kind: str, message: str = "no", code: str | int | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, failing("invalid_request_error", "messages: required"), "model_rejected"),
        (401, failing("invalid_request_error", "Incorrect API key", "invalid_api_key"), "model_auth"),
        (403, failing("permission_error"), "model_auth"),
        (404, failing("invalid_request_error", "no such model", "model_not_found"), "model_rejected"),
        (404, {"error": "model 'x' not found"}, "model_rejected"),
        (422, {"detail": [{"loc": ["body", "tools"], "msg": "not supported"}]}, "model_rejected"),
        (429, failing("tokens", "Rate limit reached", "rate_limit_exceeded"), "model_rate_limited"),
        (429, failing("insufficient_quota", "You exceeded your quota"), "model_quota"),
        (500, failing("server_error"), "model_unavailable"),
        (503, "<html><body>Service Unavailable</body></html>", "model_unavailable"),
        (529, failing("overloaded_error"), "model_unavailable"),
        (400, failing("invalid_request_error", "too long", "context_length_exceeded"), "context_overflow"),
        (
            400,
            failing("exceed_context_size_error", "the request exceeds the available context size, increase it", 400),
            "context_overflow",
        ),
    ],
)
async def test_a_refusal_fails_with_its_code(provider: Provider, status: int, body: object, code: str) -> None:
    provider.answers = [refuses(status, body)]
    async with connected(provider) as model:
        received = await receive(model)
    assert (received.code, received.chunks) == (code, [])
    assert len(provider.requests) == 1


async def test_the_provider_s_error_text_is_passed_on(provider: Provider) -> None:
    provider.answers = [refuses(400, failing("invalid_request_error", "messages: at least one is required"))]
    async with connected(provider) as model:
        received = await receive(model)
    assert str(received.failure) == "messages: at least one is required"


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_temporary_refusal_is_retried_a_few_times(provider: Provider, status: int, retries: int) -> None:
    provider.answers = [refuses(status, failing("x"), AT_ONCE)]
    async with connected(provider, model_retries=retries) as model:
        received = await receive(model)
    assert received.code == ("model_rate_limited" if status == 429 else "model_unavailable")
    assert len(provider.requests) == 1 + retries


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_a_permanent_refusal_is_not_retried(provider: Provider, status: int) -> None:
    provider.answers = [refuses(status, failing("x"), AT_ONCE)]
    async with connected(provider, model_retries=2) as model:
        await receive(model)
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [refuses(429, failing("x"), AT_ONCE), refuses(500, failing("x"), AT_ONCE), refuses(429, failing("x")), tears],
    ids=["429", "500", "429 without Retry-After", "torn before the first byte"],
)
async def test_a_retry_that_succeeds_is_the_answer(provider: Provider, failure: Answer) -> None:
    provider.answers = [failure, streams(*text_chunks("Hello"))]
    async with connected(provider, model_retries=1) as model:
        received = await receive(model)
    assert (received.text, received.failure) == ("Hello", None)
    assert len(provider.requests) == 2


@pytest.mark.parametrize(("status", "code"), [(429, "model_rate_limited"), (503, "model_unavailable")])
async def test_a_retry_after_that_is_too_long_is_not_waited_for(provider: Provider, status: int, code: str) -> None:
    provider.answers = [refuses(status, failing("x"), {"retry-after": "3600"})]
    async with connected(provider, model_retries=2) as model:
        received = await receive(model)
    assert received.code == code
    assert "3600 s" in str(received.failure)
    assert len(provider.requests) == 1


async def test_no_connection_is_model_unavailable(provider: Provider) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        async with connected(provider, openai_base_url=url) as model:
            received = await receive(model)
    assert received.code == "model_unavailable"


@pytest.mark.parametrize("answer", [tears, streams(end=False)], ids=["before the head", "after the head"])
async def test_a_connection_lost_before_the_answer_is_unavailable(provider: Provider, answer: Answer) -> None:
    provider.answers = [answer]
    async with connected(provider) as model:
        received = await receive(model)
    assert (received.code, received.chunks) == ("model_unavailable", [])


@pytest.mark.parametrize(
    ("piece", "code"),
    [
        pytest.param(b"data: <html>\n\n", "model_protocol", id="garbage"),
        pytest.param(b'data: {"error":{"message":"engine died"}}\n\n', "model_unavailable", id="error frame"),
        pytest.param(b'event: error\ndata: {"message":"died"}\n\n', "model_unavailable", id="error event"),
        pytest.param(b'data: {"error":{"type":"rate_limit_error"}}\n\n', "model_rate_limited", id="rate limit"),
        pytest.param(b'data: {"error":{"code":"context_length_exceeded"}}\n\n', "context_overflow", id="context"),
    ],
)
async def test_an_answer_that_fails_in_mid_stream_keeps_its_text(provider: Provider, piece: bytes, code: str) -> None:
    provider.answers = [streams(HELLO, piece, *REST)]
    async with connected(provider, model_retries=2) as model:
        received = await receive(model)
    assert (received.text, received.code) == ("Hello", code)
    assert len(provider.requests) == 1


async def test_an_answer_cut_in_mid_stream_is_not_retried(provider: Provider) -> None:
    first_text = asyncio.Event()
    provider.answers = [streams(HELLO, first_text, end=False)]
    async with connected(provider, model_retries=2) as model:
        answer = model.stream(PROMPT)
        assert ReceivedAnswer(list(await anext(answer))).text == "Hello"
        first_text.set()
        with pytest.raises(ModelUnavailable):
            await anext(answer)
    assert len(provider.requests) == 1


@SOON
async def test_a_stalled_answer_is_model_timeout_and_keeps_its_text(provider: Provider) -> None:
    provider.answers = [streams(HELLO, asyncio.Event())]
    async with connected(provider, idle_timeout=0.1, model_retries=2) as model:
        received = await receive(model)
    assert (received.text, received.code) == ("Hello", "model_timeout")
    assert len(provider.requests) == 1


@SOON
async def test_the_limit_between_chunks_is_not_the_one_for_the_first(provider: Provider) -> None:
    provider.answers = [streams(0.1, HELLO, asyncio.Event())]  # the head alone first: a wait with the longer limit
    async with connected(provider, first_byte_timeout=60, idle_timeout=0.1) as model:
        received = await receive(model)
    assert (received.text, received.code) == ("Hello", "model_timeout")


async def test_comments_keep_an_answer_alive(provider: Provider) -> None:
    provider.answers = [streams(HELLO, *[0.05, b": keep-alive\n\n"] * 14, *REST)]
    async with connected(provider, idle_timeout=0.5) as model:
        received = await receive(model)
    assert (received.text, received.failure) == ("Hello", None)


@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE html><html><body>Welcome to nginx!</body></html>",
        "<!DOCTYPE html>\n\n<html>\n\n</html>\n\n",
        '{"choices": [',
    ],
    ids=["html", "html with blank lines", "half of a JSON value"],
)
async def test_an_answer_that_is_no_stream_is_model_protocol(provider: Provider, body: object) -> None:
    provider.answers = [refuses(200, body)]
    async with connected(provider, model_retries=2) as model:
        received = await receive(model)
    assert (received.code, received.chunks) == ("model_protocol", [])
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (failing("rate_limit_error", "Rate limit reached"), "model_rate_limited"),
        ([failing("invalid_request_error", "no such model")], "model_rejected"),
        ({"message": "Input is too long for requested model.", "__type": "ValidationException"}, "context_overflow"),
    ],
)
async def test_an_error_with_status_200_is_that_error(provider: Provider, body: object, code: str) -> None:
    provider.answers = [refuses(200, body)]
    async with connected(provider) as model:
        received = await receive(model)
    assert (received.code, received.chunks) == (code, [])


async def test_a_rate_limit_with_status_200_is_retried(provider: Provider) -> None:
    provider.answers = [refuses(200, failing("rate_limit_error")), streams(*text_chunks("Hello"))]
    async with connected(provider, model_retries=1) as model:
        assert (await receive(model)).text == "Hello"


@SOON
async def test_a_missing_first_byte_is_model_timeout_and_not_retried(provider: Provider) -> None:
    never = asyncio.Event()

    async def waits(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        await never.wait()

    provider.answers = [waits]
    async with connected(provider, first_byte_timeout=0.1, model_retries=2) as model:
        received = await receive(model)
    assert (received.code, received.chunks) == ("model_timeout", [])
    assert len(provider.requests) == 1


@SOON
async def test_a_head_alone_is_not_yet_a_first_byte(provider: Provider) -> None:
    provider.answers = [streams(asyncio.Event())]
    async with connected(provider, first_byte_timeout=0.1) as model:
        assert (await receive(model)).code == "model_timeout"


@pytest.mark.parametrize(
    "answer",
    [
        refuses(401, failing("invalid_request_error", f"Incorrect API key provided: {KEY}.")),
        refuses(400, failing("invalid_request_error", f"bad header 'Authorization: Bearer {KEY}'")),
        refuses(400, {"headers": {"authorization": f"Bearer {KEY}"}}),
        refuses(500, f"<html>Bearer {KEY}</html>"),
        refuses(429, failing("tokens", f"Rate limit reached for {KEY}"), {"retry-after": "3600"}),
        streams(b'data: {"error":{"message":"Incorrect API key provided: %b"}}\n\n' % KEY.encode()),
        streams(b'event: error\ndata: {"message":"Incorrect API key provided: %b"}\n\n' % KEY.encode()),
    ],
    ids=["401", "400", "400 with an odd body", "500 as html", "429", "error frame", "error event"],
)
async def test_the_key_is_in_no_message(provider: Provider, answer: Answer) -> None:
    provider.answers = [answer]
    async with connected(provider) as model:
        received = await receive(model)
    assert received.failure is not None
    assert KEY not in str(received.failure)
