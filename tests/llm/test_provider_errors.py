"""Translation of a provider's errors: the table, and that any text of a provider makes a message fit to show."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep import clock
from chatkeep.errors import TurnFailed
from chatkeep.llm.provider_errors import error_from_frame, is_retryable, retry_after_seconds, translate_error
from chatkeep.text import clean

REQUEST = httpx2.Request("POST", "http://localhost/v1/chat/completions")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["message", "detail", "type", "code", "status", "error", "param"])


def status(number: int, message: str = "no", headers: dict[str, str] | None = None, **body: Any) -> openai.APIError:
    response = httpx2.Response(number, headers=headers or {}, request=REQUEST)
    return openai.APIStatusError(message, response=response, body={"message": message, **body})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (openai.APIConnectionError(request=REQUEST), "model_unavailable"),
        (openai.APITimeoutError(request=REQUEST), "model_unavailable"),
        (httpx2.ReadError("connection reset"), "model_unavailable"),
        (httpx2.RemoteProtocolError("incomplete chunked read"), "model_unavailable"),
        (ConnectionResetError("reset"), "model_unavailable"),
        (TimeoutError(), "model_timeout"),
        (ValueError("what?"), "model_protocol"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "model_protocol"),
        (status(401), "model_auth"),
        (status(403), "model_auth"),
        (status(404), "model_rejected"),
        (status(408), "model_unavailable"),
        (status(429), "model_rate_limited"),
        (status(500), "model_unavailable"),
        (status(599), "model_unavailable"),
        (status(400), "model_rejected"),
        (status(400, "no", code="context_length_exceeded"), "context_overflow"),
        (status(400, "This model's maximum context length is 8192 tokens."), "context_overflow"),
        (status(400, "prompt is too long: 210000 tokens > 200000 maximum"), "context_overflow"),
        (status(400, "the request exceeds the available context size"), "context_overflow"),
        (status(413, "too many tokens"), "context_overflow"),
        (status(413, "Payload too large"), "context_overflow"),
    ],
)
def test_an_error_has_one_code(error: Exception, code: str) -> None:
    assert translate_error(error).code == code


@pytest.mark.parametrize(
    ("frame", "code", "message"),
    [
        ({"message": "died", "type": "server_error"}, "model_unavailable", "died"),
        ({"error": {"message": "died"}}, "model_unavailable", "died"),
        ({"detail": "died"}, "model_unavailable", "died"),
        ("died", "model_unavailable", "died"),
        ({"message": "slow", "type": "rate_limit_error"}, "model_rate_limited", "slow"),
        ({"message": "slow", "code": 429}, "model_rate_limited", "slow"),
        ({"message": "who?", "type": "authentication_error"}, "model_auth", "who?"),
        ({"message": "who?", "code": "401"}, "model_auth", "who?"),
        ({"message": "no", "type": "permission_error"}, "model_auth", "no"),
        ({"message": "no", "type": "invalid_request_error"}, "model_rejected", "no"),
        ({"message": "long", "code": "context_length_exceeded"}, "context_overflow", "long"),
        ({"message": "long", "type": "exceed_context_size_error"}, "context_overflow", "long"),
        ({"message": "prompt is too long", "type": "invalid_request_error"}, "context_overflow", "prompt is too long"),
        ({"message": "the context window is a nice place"}, "model_unavailable", "the context window is a nice place"),
        ({}, "model_unavailable", "the provider reported an error"),
        (None, "model_unavailable", "the provider reported an error"),
    ],
)
def test_an_error_frame_has_one_code(frame: object, code: str, message: str) -> None:
    failure = error_from_frame(frame)
    assert (failure.code, str(failure)) == (code, message)


@pytest.mark.parametrize(
    ("number", "body", "code"),
    [
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5000", "overflow"),  # vLLM
        (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096.", "overflow"),  # vLLM
        (400, "request (9000 tokens) exceeds the available context size (4096 tokens)", "overflow"),  # llama.cpp
        (400, "The input (9000 tokens) is longer than the model's context length (4096 tokens).", "overflow"),  # SGLang
        (400, "Input is too long for requested model.", "overflow"),  # Bedrock
        (400, "input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000", "overflow"),  # Bedrock
        (400, "InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]", "overflow"),  # Qwen
        (400, "Prompt contains 40000 tokens, too large for 32768 maximum context length", "overflow"),  # Mistral
        (400, "This model's maximum prompt length is 131072 but the request has 137015 tokens.", "overflow"),  # xAI
        (400, "Invalid request: Your request exceeded model token limit: 8192", "overflow"),  # Moonshot
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081", "overflow"),  # Cohere
        (422, "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000", "overflow"),  # TGI
        (400, "Please reduce the length of the messages or completion.", "overflow"),  # Groq
        (400, [{"error": {"code": 400, "message": "The input token count (1048577) exceeds the maximum number of tokens"
                          " allowed (1048576).", "status": "INVALID_ARGUMENT"}}], "overflow"),  # Gemini
        (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "no"}}, "overflow"),
        (413, {"error": {"type": "request_too_large", "message": "no"}, "type": "error"}, "overflow"),  # Anthropic
        (413, {"error": {"message": "Request too large", "code": "rate_limit_exceeded"}}, "rate_limited"),  # Groq
        (400, {"__type": "ThrottlingException", "message": "Too many requests"}, "rate_limited"),  # Bedrock
        (429, [{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}], "rate_limited"),  # Gemini
        (429, {"error": {"message": "You exceeded your quota", "type": "insufficient_quota"}}, "quota"),  # OpenAI
        (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error"}}, "quota"),  # DeepSeek
        (400, {"error": {"message": "Your credit balance is too low to access the API"}}, "quota"),  # Anthropic
        (400, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid one."}}], "auth"),  # Gemini
        (404, {"error": "model 'x' not found"}, "rejected"),  # Ollama
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "rejected"),  # FastAPI
        (400, {"errors": [{"code": 1000, "message": "no"}]}, "rejected"),
        (400, {"fault": {"faultstring": "no"}}, "rejected"),
        (400, None, "rejected"),
        (503, "<html>", "unavailable"),
    ],
)  # fmt: skip
def test_errors_of_real_providers_are_recognised(number: int, body: Any, code: str) -> None:
    response = httpx2.Response(number, request=REQUEST)
    words = body if isinstance(body, str) else "Error code: 400"
    error = openai.APIStatusError(words, response=response, body=None if isinstance(body, str) else body)
    expected = "context_overflow" if code == "overflow" else f"model_{code}"
    assert translate_error(error).code == expected
    if number == 400 and not isinstance(body, str | None):
        assert error_from_frame(body).code in (expected, "model_unavailable")  # with the status 200, if it says enough


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "words"}}, "words"),
        ([{"error": {"message": "words"}}], "words"),
        ([{"error": {"message": "words"}}, {"error": {"message": "others"}}], "words"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "words"}}, "words"),
        ({"error": "words"}, "words"),
        ("words", "words"),
        ({"message": "words"}, "words"),
        ({"message": "outer", "error": {"message": "words"}}, "words"),
        ({"message": "words", "error": True}, "words"),
        ({"detail": [{"loc": ["body"], "msg": "words"}]}, "words"),
        ({"detail": "words"}, "words"),
        ({"errors": [{"message": "words"}]}, "words"),
        ({"error": {"error": {"error": {"message": "words"}}}}, "words"),
        ({"error": {"message": ""}}, "the provider reported an error"),
        ([], "the provider reported an error"),
        (7, "the provider reported an error"),
    ],
)
def test_words_of_an_error_are_found_wherever_they_stand(body: Any, message: str) -> None:
    assert str(error_from_frame(body)) == message


@given(JSON | st.dictionaries(KEYS, JSON) | st.fixed_dictionaries({"error": st.dictionaries(KEYS, JSON)}))
def test_any_frame_makes_a_message_fit_to_show(frame: object) -> None:
    failure = error_from_frame(frame)
    assert isinstance(failure, TurnFailed)
    assert 0 < len(str(failure)) <= 500
    assert clean(str(failure)) == str(failure)


@pytest.mark.parametrize(
    "secret", ["sk-proj-abcDEF123456", "sk-ant-api03-x_y-z", "sk-abc***********xyz9", "Bearer abc.def-0123456789"]
)
def test_anything_like_a_key_is_in_no_message(secret: str) -> None:
    for failure in (translate_error(status(401, f"bad: {secret}!")), error_from_frame({"message": f"bad: {secret}!"})):
        assert str(failure) == "bad: ***!"


def test_the_key_is_in_no_message_whatever_it_looks_like() -> None:
    for error in (status(500, "for horse:"), openai.APIConnectionError(message="horse", request=REQUEST)):
        assert "horse" not in str(translate_error(error, "horse"))
    assert "horse" not in str(translate_error(ConnectionResetError("http://horse@localhost"), "horse"))


def test_ordinary_words_stay_readable() -> None:
    message = "Incorrect API key provided. The bearer must be asked; primary key constraint."
    assert str(translate_error(status(401, message))) == message


def test_text_that_cannot_be_stored_is_replaced() -> None:
    assert str(error_from_frame({"message": "a\x00b\ud83d"})) == "a\ufffdb\ufffd"
    assert str(translate_error(status(400, "a\x00b\ud83d"))) == "a\ufffdb\ufffd"


def test_a_message_is_not_endless() -> None:
    assert len(str(translate_error(status(400, "x" * 10_000)))) == 500
    assert len(str(error_from_frame("x" * 10_000))) == 500


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (openai.APIConnectionError(request=REQUEST), True),
        (status(408), True),
        (status(429), True),
        (status(429, "no", code="insufficient_quota"), False),
        (status(500), True),
        (status(503), True),
        (status(400), False),
        (status(401), False),
        (status(409), False),
        (TimeoutError(), False),
        (ValueError(), False),
    ],
)
def test_only_temporary_errors_are_retried(error: Exception, retried: bool) -> None:
    assert is_retryable(error) is retried


@pytest.mark.parametrize(
    ("header", "seconds"), [("0", 0.0), ("7", 7.0), ("1.5", 1.5), ("-3", 0.0), ("", None), ("soon", None)]
)
def test_retry_after_is_read_in_seconds(header: str, seconds: float | None) -> None:
    assert retry_after_seconds(status(429, headers={"retry-after": header})) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sun, 29 Nov 2026 12:00:07 GMT", 7.0),
        ("Sunday, 29-Nov-26 12:00:07 GMT", 7.0),  # RFC 850, which a recipient must accept
        ("Sun Nov 29 12:00:07 2026", 7.0),  # asctime, too
        ("Sun, 29 Nov 2026 13:00:07 +0100", 7.0),
        ("Sun, 29 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 99 Nov 2026 11:00:00 GMT", None),
        ("Sun, 29 Nov 99999999999 11:00:00 GMT", None),
    ],
)
def test_retry_after_may_be_a_date(date: str, seconds: float | None) -> None:
    clock.set_source(lambda: datetime(2026, 11, 29, 12, tzinfo=UTC))
    try:
        assert retry_after_seconds(status(429, headers={"retry-after": date})) == seconds
    finally:
        clock.set_source(clock.system_time)


def test_no_retry_after_is_none() -> None:
    assert retry_after_seconds(status(429)) is None
    assert retry_after_seconds(TimeoutError()) is None
