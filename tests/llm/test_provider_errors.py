"""Translation of a provider's errors: the table, and that any text of a provider makes a message fit to show."""

from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        (status(408), "model_rejected"),
        (status(429), "model_rate_limited"),
        (status(500), "model_unavailable"),
        (status(599), "model_unavailable"),
        (status(400), "model_rejected"),
        (status(400, "no", code="context_length_exceeded"), "context_overflow"),
        (status(400, "This model's maximum context length is 8192 tokens."), "context_overflow"),
        (status(400, "prompt is too long: 210000 tokens > 200000 maximum"), "context_overflow"),
        (status(400, "the request exceeds the available context size"), "context_overflow"),
        (status(413, "too many tokens"), "context_overflow"),
        (status(413, "Payload too large"), "model_rejected"),
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
        (status(429), True),
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


def test_other_forms_of_retry_after_are_ignored() -> None:
    assert retry_after_seconds(status(429)) is None
    assert retry_after_seconds(status(429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"})) is None
    assert retry_after_seconds(TimeoutError()) is None
