"""The Responses API: the object of a response, as it begins and as it ends. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from chatkeep import clock
from chatkeep.api.dialects.openai_usage import response_usage
from chatkeep.api.dialects.ui_parts import INTERRUPTED
from chatkeep.chat.types import Run, Usage

_REASONS = {"content_filter": "content_filter"}
"""Why a response is incomplete, in OpenAI's closed list; any other reason is the length."""


class ResponseEnd(NamedTuple):
    """The type of the last event of a response, and the fields that change with it."""

    event: str
    fields: dict[str, Any]


_DEFAULTS: dict[str, Any] = {
    "instructions": None,
    "tools": [],
    "tool_choice": "auto",
    "truncation": "disabled",
    "parallel_tool_calls": True,
    "text": {"format": {"type": "text"}},
    "top_p": 1.0,
    "temperature": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "reasoning": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "store": True,
    "background": False,
    "service_tier": "default",
    "metadata": {},
    "safety_identifier": None,
    "prompt_cache_key": None,
}
"""The fields that repeat what was asked, with what they are if nothing was. Open Responses requires all of them."""


def response_head(response_id: str, run: Run, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return a response without its output, as it begins. `asked` are fields of its request.

    They may be those of `_DEFAULTS`, and `model`, `previous_response_id` and `conversation`.
    """
    return {
        "id": response_id,
        "object": "response",
        "created_at": _seconds(run.created_at),
        "completed_at": None,
        "status": "in_progress",
        "incomplete_details": None,
        "error": None,
        "usage": None,
        "model": run.model,
        "previous_response_id": None,
        **_DEFAULTS,
        **asked,
    }


def end_of_wait(usage: Usage | None) -> ResponseEnd:
    """Return the end of a response after which the client has to answer calls."""
    return ResponseEnd("response.completed", {"status": "completed", "usage": _usage(usage)})


def end_of_run(run: Run, usage: Usage | None) -> ResponseEnd:
    """Return the end of a response that ends as `run` did. `usage` is that of the response, which may be a part of it.

    The types of events know no cancelled response: it ends with `response.incomplete`, and has the status `cancelled`.
    """
    finished_at = None if run.finished_at is None else _seconds(run.finished_at)
    fields: dict[str, Any] = {"usage": _usage(usage), "completed_at": finished_at}
    match run.status:
        case "completed":
            return ResponseEnd("response.completed", {**fields, "status": "completed"})
        case "incomplete":
            reason = _REASONS.get(run.finish_reason or "", "max_output_tokens")
            details = {"reason": reason}
            return ResponseEnd("response.incomplete", {**fields, "status": "incomplete", "incomplete_details": details})
        case "cancelled":
            return ResponseEnd("response.incomplete", {**fields, "status": "cancelled"})
        case _:
            code, message = (run.error.code, run.error.message) if run.error else (run.status, INTERRUPTED)
            error = {"code": code, "message": message}
            return ResponseEnd("response.failed", {**fields, "status": "failed", "error": error})


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    return None if usage is None else response_usage(usage)


def _seconds(time: str) -> int:
    return int(clock.parse(time).timestamp())
