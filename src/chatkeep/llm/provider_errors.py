"""Translates a provider's errors into ours (docs/http-api.md, "Errors of a run"), and says which to retry."""

import re
from typing import Any, cast

import openai

from chatkeep.errors import (
    ContextOverflow,
    ModelAuth,
    ModelProtocol,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnavailable,
    TurnFailed,
)
from chatkeep.text import clean

_SECRETS = re.compile(r"\b(?:sk|pk|rk)-[\w*.\-]{6,}|(?i:\bbearer\s+)[\w.\-]{16,}")
_OVERFLOW = re.compile(
    r"(?i)context[ _-]?(?:length|window|size)|maximum context|too many tokens|prompt is too long|exceed_context"
)
_MAX_MESSAGE_CHARS = 500
"""The length of the longest error message, in characters."""


def translate_error(error: Exception, key: str | None = None) -> TurnFailed:
    """Return our error for `error`, which the SDK or its transport raised. `key` never appears in the message."""
    match error:
        case openai.APITimeoutError():
            return ModelUnavailable("no connection to the provider within the time limit")
        case openai.APIConnectionError():
            return ModelUnavailable(f"no connection to the provider: {_redact(error.__cause__ or error, key)}")
        case openai.APIStatusError():
            return _error_from_status(
                error.status_code, str(getattr(error, "code", "") or ""), _redact(_read_message(error), key)
            )
        case TimeoutError():
            return ModelTimeout("the provider sent nothing for the time limit")
        case ValueError():
            return ModelProtocol("the provider's answer is not understood")
        case _:
            return ModelUnavailable(f"the connection to the provider broke: {_redact(error, key)}")


def error_from_frame(error: Any, key: str | None = None) -> TurnFailed:
    """Return our error for one that came within the stream, as any JSON. `key` never appears in the message."""
    fields: dict[str, Any] = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}
    fields = fields["error"] if isinstance(fields.get("error"), dict) else fields
    message = _redact(fields.get("message") or fields.get("detail") or "the provider reported an error", key)
    kinds = " ".join(str(fields.get(name, "")) for name in ("type", "code", "status"))
    if _OVERFLOW.search(kinds) or ("invalid" in kinds and _OVERFLOW.search(message)):
        return ContextOverflow(message)
    if "rate_limit" in kinds or "429" in kinds:
        return ModelRateLimited(message)
    if "authentication" in kinds or "permission" in kinds or "401" in kinds or "403" in kinds:
        return ModelAuth(message)
    if "invalid_request" in kinds:
        return ModelRejected(message)
    return ModelUnavailable(message)


def is_retryable(error: Exception) -> bool:
    """Return True for connect errors, 429 and 5xx, which may pass.

    A time-out while reading is not retried: the user has waited long enough by then.
    """
    if isinstance(error, openai.APIStatusError):
        return error.status_code == 429 or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)


def retry_after_seconds(error: Exception) -> float | None:
    """Return the seconds of the response's `Retry-After` (RFC 9110 §10.2.3); None without one, or if it is a date."""
    if not isinstance(error, openai.APIStatusError):
        return None
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _error_from_status(status: int, code: str, message: str) -> TurnFailed:
    match status:
        case 401 | 403:
            return ModelAuth(message)
        case 429:
            return ModelRateLimited(message)
        case 400 | 413 | 422 if _OVERFLOW.search(f"{code} {message}"):
            return ContextOverflow(message)
        case _ if status >= 500:
            return ModelUnavailable(f"the provider answered {status}: {message}")
        case _:
            return ModelRejected(message)


def _read_message(error: openai.APIStatusError) -> object:
    body: Any = error.body
    return body["message"] if isinstance(body, dict) and body.get("message") else error.message  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]  # a provider's JSON


def _redact(error: object, key: str | None) -> str:
    text = clean(str(error))
    if key:
        text = text.replace(key, "***")
    return _SECRETS.sub("***", text)[:_MAX_MESSAGE_CHARS]
