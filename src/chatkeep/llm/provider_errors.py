"""Translates a provider's errors into ours (docs/http-api.md, "Errors of a run"), and says which to retry."""

import re
from collections.abc import Container
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import openai

from chatkeep import clock
from chatkeep.errors import (
    ContextOverflow,
    ModelAuth,
    ModelProtocol,
    ModelQuota,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnavailable,
    TurnFailed,
)
from chatkeep.llm.error_bodies import ProviderError, read_error
from chatkeep.text import clean

_SECRETS = re.compile(r"\b(?:sk|pk|rk)-[\w*.\-]{6,}|(?i:\bbearer\s+)[\w.\-]{16,}")
_MAX_MESSAGE_CHARS = 500
"""The length of the longest error message, in characters."""
_NEVER = re.compile(r"(?!)")


class _Rule(NamedTuple):
    """The signs of one class: an HTTP status, a kind, or, if the provider refused the request, words of its message."""

    failure: type[TurnFailed]
    statuses: Container[int | None] = ()
    kinds: re.Pattern[str] = _NEVER
    words: re.Pattern[str] = _NEVER


_RULES = (
    _Rule(
        ModelQuota,
        (402,),
        re.compile(r"(?i)insufficient_(?:quota|balance|credit)|billing|exceeded_current_quota|arrearage"),
        re.compile(r"(?i)insufficient (?:balance|credit|funds)|credit balance is too low"),
    ),
    _Rule(ModelRateLimited, (429,), re.compile(r"(?i)rate_?limit|too_?many_?requests|throttl|resource_exhausted")),
    _Rule(
        ContextOverflow,
        (),
        re.compile(r"(?i)context_(?:length|window)|exceed_context|request_too_large"),
        re.compile(
            r"(?i)context[ _-]?(?:length|window|size|limit)"  # OpenAI, vLLM, DeepSeek, llama.cpp, Claude on Bedrock
            r"|maximum (?:context|prompt|model) length|longer than the maximum"  # Mistral, xAI, vLLM
            r"|too many (?:input )?tokens|prompt (?:is )?too long|prompt exceeds max"  # Cohere, Anthropic, Ollama, Z.ai
            r"|input is too long|input token count|model token limit"  # Bedrock, Gemini, Moonshot
            r"|range of input length|input tokens exceed|reduce the length of"  # Qwen (DashScope), OpenAI, Groq
            r"|max_new_tokens` must be"  # Text Generation Inference
        ),
    ),
    _Rule(
        ModelAuth,
        (401, 403),
        re.compile(r"(?i)authenticat|unauthori[sz]ed|permission|invalid_api_key|api_key_invalid"),
        re.compile(r"(?i)api key not valid|(?:invalid|incorrect) api key"),
    ),
    _Rule(ModelUnavailable, (408, *range(500, 600))),
    _Rule(ContextOverflow, (413,)),
)
"""The first that fits decides. Each provider has words of its own."""
_REJECTED_KINDS = re.compile(r"(?i)invalid|validation|bad_?request|not_found|unsupported|policy")


def translate_error(error: Exception, key: str | None = None) -> TurnFailed:
    """Return our error for `error`, which the SDK or its transport raised. `key` never appears in the message."""
    match error:
        case TurnFailed():
            return error
        case openai.APITimeoutError():
            return ModelUnavailable("no connection to the provider within the time limit")
        case openai.APIConnectionError():
            return ModelUnavailable(f"no connection to the provider: {_redact(error.__cause__ or error, key)}")
        case openai.APIStatusError():
            return _error_from_status(error, key)
        case TimeoutError():
            return ModelTimeout("the provider sent nothing for the time limit")
        case ValueError():
            return ModelProtocol("the provider's answer is not understood")
        case _:
            failure = ModelUnavailable(f"the connection to the provider broke: {_redact(error, key)}")
            failure.is_charged = True  # the answer had begun
            return failure


def error_from_frame(error: Any, key: str | None = None) -> TurnFailed:
    """Return our error for one that came as any JSON in place of an answer. `key` never appears in the message."""
    details = read_error(error)
    return _classify(details, details.status)(_redact(details.message or "the provider reported an error", key))


def is_retryable(error: Exception) -> bool:
    """Return True for connect errors, 408, 429 and 5xx, which may pass, and for their like with the status 200.

    An empty account does not fill by waiting. A time-out while reading is not retried: the user has waited long enough
    by then.
    """
    if isinstance(error, openai.APIStatusError):
        is_temporary = error.status_code in (408, 429) or error.status_code >= 500
        return is_temporary and translate_error(error).retryable
    return isinstance(error, (openai.APIConnectionError, ModelRateLimited, ModelUnavailable))


def retry_after_seconds(error: Exception) -> float | None:
    """Return how long the response asks to wait, in seconds; None if it does not say.

    `Retry-After` is a number of seconds or a date (RFC 9110 §10.2.3).
    """
    if not isinstance(error, openai.APIStatusError):
        return None
    value = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        return _seconds_until(value)


def _seconds_until(date: str) -> float | None:
    try:
        until = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - clock.parse(clock.now())).total_seconds())


def _error_from_status(error: openai.APIStatusError, key: str | None) -> TurnFailed:
    status = error.status_code
    details = read_error(error.body if error.body is not None else error.message)
    message = _redact(details.message or error.message, key)
    if (kind := _classify(details, status)) is ModelUnavailable:
        message = f"the provider answered {status}: {message}"
    return kind(message)


def _classify(error: ProviderError, status: int | None) -> type[TurnFailed]:
    """Return the class of `error`. `status` is its HTTP status, None if that is not known."""
    is_rejected = status in (400, 413, 422) or bool(_REJECTED_KINDS.search(error.kinds))
    for rule in _RULES:
        if status in rule.statuses or rule.kinds.search(error.kinds):
            return rule.failure
        if is_rejected and rule.words.search(error.message):
            return rule.failure
    return ModelRejected if is_rejected or status is not None else ModelUnavailable


def _redact(error: object, key: str | None) -> str:
    text = clean(str(error))
    if key:
        text = text.replace(key, "***")
    return _SECRETS.sub("***", text)[:_MAX_MESSAGE_CHARS]
