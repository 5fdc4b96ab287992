"""The exact form of responses: the fields of each noun, and the form of ids, times and problems."""

import re
from typing import Any

import httpx2

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"
"""A valid id that belongs to nothing."""
NO_UUIDS = ["x", "1", "null", UNKNOWN[:-1], UNKNOWN + "0", UNKNOWN.replace("a", "g"), UNKNOWN.replace("-", "")]
"""Strings that are no ids."""

SESSION = {
    "id", "title", "assistant", "model", "metadata", "status", "head_id", "message_count", "created_at", "updated_at",
    "params", "instructions", "temporary",
}  # fmt: skip
MESSAGE = {"id", "session_id", "parent_id", "seq", "role", "parts", "run_id", "status", "created_at"}
RUN = {
    "id", "session_id", "number", "user_message_id", "message_id", "status", "model", "finish_reason", "error", "usage",
    "attempt", "position", "created_at", "started_at", "first_token_at", "finished_at",
}  # fmt: skip
ANSWER = {"run", "user_message", "message"}
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}


def problem(answer: httpx2.Response, status: int, code: str, *more: str) -> dict[str, Any]:
    """Return the problem document of an answer, after checking its members; `more` names additional ones."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert set(document) == PROBLEM | set(more), document
    assert (document["type"], document["status"], document["code"]) == ("about:blank", status, code)
    assert document["title"]
    assert document["detail"]
    return document


def invalid(answer: httpx2.Response) -> list[dict[str, Any]]:
    """Return the list of faults of a request that failed validation."""
    errors = problem(answer, 422, "invalid_request", "errors")["errors"]
    assert errors
    assert all(set(error) == {"loc", "msg", "type"} for error in errors)
    return errors


def usage(input_tokens: int, output_tokens: int, **more: Any) -> dict[str, Any]:
    """Return the usage of a run; what `more` does not say is zero, false or unknown."""
    rest = {"cached_input_tokens": 0, "reasoning_tokens": 0, "cost": None, "estimated": False}
    return {"input_tokens": input_tokens, "output_tokens": output_tokens, **rest, **more}
