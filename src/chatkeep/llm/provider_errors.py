"""The provider's errors as ours (`docs/protocol.md` §7), and which of them are worth another try."""

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


def translate_error(error: Exception, key: str | None = None) -> TurnFailed:
    """`error`, raised by the SDK or its transport, as ours; `key` never appears in the message."""
    match error:
        case openai.APITimeoutError():
            return ModelUnavailable("no connection to the provider within the time limit")
        case openai.APIConnectionError():
            return ModelUnavailable(f"no connection to the provider: {_redacted(error.__cause__ or error, key)}")
        case openai.APIStatusError():
            return _from_status(
                error.status_code, str(getattr(error, "code", "") or ""), _redacted(_message(error), key)
            )
        case TimeoutError():
            return ModelTimeout("the provider sent nothing for the time limit")
        case ValueError():
            return ModelProtocol("the provider's answer is not understood")
        case _:
            return ModelUnavailable(f"the connection to the provider broke: {_redacted(error, key)}")


def error_from_frame(error: Any, key: str | None = None) -> TurnFailed:
    """An error that came as an event in the stream, whatever JSON it is; `key` never appears in the message."""
    fields: dict[str, Any] = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}
    fields = fields["error"] if isinstance(fields.get("error"), dict) else fields
    message = _redacted(fields.get("message") or fields.get("detail") or "the provider reported an error", key)
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
    """Connect errors, 429 and 5xx may pass; a time-out has already cost the user a wait."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code == 429 or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)


def retry_after_seconds(error: Exception) -> float | None:
    """The seconds that the provider asks to wait (RFC 9110 §10.2.3, the form in seconds), if it does."""
    if not isinstance(error, openai.APIStatusError):
        return None
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _from_status(status: int, code: str, message: str) -> TurnFailed:
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


def _message(error: openai.APIStatusError) -> object:
    body: Any = error.body
    return body["message"] if isinstance(body, dict) and body.get("message") else error.message  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]  # a provider's JSON


def _redacted(error: object, key: str | None) -> str:
    said = clean(str(error))
    if key:
        said = said.replace(key, "***")
    return _SECRETS.sub("***", said)[:_MAX_MESSAGE_CHARS]
