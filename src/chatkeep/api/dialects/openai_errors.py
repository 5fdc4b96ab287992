"""Errors in the form of OpenAI's API: `{"error": {"message", "type", "param", "code"}}`.

Source: OpenAI's API reference, "Error codes", and what its SDKs read (`openai` for Python 3, `_exceptions.py`). Codes
and statuses are ours (`docs/http-api.md`); all below `/v1` has them in this form.
"""

import re
from collections.abc import Mapping
from typing import Any

from chatkeep.chat.types import Problem

PATHS = ("/v1/",)
"""Paths whose errors have this form."""
_FIELD = re.compile(r"([A-Za-z_][\w.\[\]-]{0,99}): ")
"""How a refusal begins that is about one field."""
_FIELD_OF_BODY = re.compile(r"^body: .*(?:unknown field `|required field `|at `\$\.)([^`]{1,100})`")
"""The field in a refusal of msgspec's."""
_PLACES = ("body", "query", "path", "header", "params")
"""Where in a request a field stands, which OpenAI does not say."""
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_STATUSES = {
    "model_rejected": 400,
    "context_overflow": 400,
    "model_rate_limited": 429,
    "model_quota": 429,
    "model_timeout": 504,
    "internal": 500,
    "cancelled": 409,
    "interrupted": 503,
}
"""Statuses of failed runs by code; of all others it is 502, as the provider is to blame."""


def to_openai_error(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return a problem document (`errors.py: Refused.document`) in this form, with the ids that it names."""
    more = {name: value for name, value in problem.items() if name.endswith("_id")}
    return _error(problem["detail"], error_type(problem["status"]), _param(problem), problem["code"], more)


def _param(problem: Mapping[str, Any]) -> str | None:
    """Return the field that is at fault; None if it is not known."""
    if errors := problem.get("errors"):
        return ".".join(str(part) for part in errors[0]["loc"] if part not in _PLACES) or None
    field = _FIELD_OF_BODY.search(problem["detail"]) or _FIELD.match(problem["detail"])
    return field[1] if field and field[1] not in _PLACES else None


def to_run_error(problem: Problem) -> dict[str, Any]:
    """Return the error of a run that failed in this form."""
    return _error(problem.message, error_type(status_of(problem.code)), None, problem.code, {})


def status_of(code: str) -> int:
    """Return the HTTP status of a run that failed, where the client waits for its end."""
    return _STATUSES.get(code, 502)


def error_type(status: int) -> str:
    """Return OpenAI's word for errors of that status."""
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")


def _error(message: str, kind: str, param: str | None, code: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code, **more}}
