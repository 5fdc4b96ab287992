"""Words that the dialects share (states of calls, reasons of an end), and the AI SDK's metadata."""

from typing import Any

import msgspec

from chatkeep.chat.types import CallError, Message, Run, ToolCallPart

ERROR_TEXTS = {
    "cancelled": "cancelled: this was not done",
    "unknown": "unknown: it may or may not have been done",
    "failed": "failed",
}
"""The text of a call without an output, by its state, where it has no error of its own."""
INTERRUPTED = "the answer was interrupted; its text so far is kept"
BROKEN_OFF = "the connection ends here, and the answer goes on: read it again"

_FINISH_REASONS = {"length": "length", "content_filter": "content-filter"}


def runs_at_client(kind: str | None) -> bool:
    """Return True for a call that the client answers. All others carry `providerExecuted`: they are none of its own."""
    return kind == "client"


def error_text(state: str, error: CallError | None) -> str:
    """Return the text of a call that has no output."""
    return error.message if error else ERROR_TEXTS[state]


def start_metadata(message: Message, run: Run) -> dict[str, Any]:
    """Return the metadata of an answer when it begins: our ids, which are those of our own API."""
    return {
        "session_id": message.session_id,
        "run_id": run.id,
        "user_message_id": run.user_message_id,
        "model": run.model,
        "created_at": message.created_at,
    }


def end_metadata(run: Run) -> dict[str, Any]:
    """Return the metadata of an answer when it ends: how, and for how many tokens."""
    error = {"error": msgspec.to_builtins(run.error)} if run.error else {}
    usage = msgspec.to_builtins(run.usage)
    return {"status": run.status, "finish_reason": run.finish_reason, "usage": usage, **error}


def finish_reason(run: Run) -> str:
    """Return the reason of an answer's end, from the AI SDK's closed list."""
    return "stop" if run.status == "completed" else _FINISH_REASONS.get(run.finish_reason or "", "other")


def tool_part(part: ToolCallPart) -> dict[str, Any]:
    """Return a call as part of a `UIMessage`."""
    fields: dict[str, Any] = {"type": f"tool-{part.name}", "toolCallId": part.call_id}
    if not runs_at_client(part.kind):
        fields["providerExecuted"] = True
    if part.arguments is not None:
        fields["input"] = part.arguments
    match part.state:
        case "succeeded":
            return {**fields, "state": "output-available", "output": part.output}
        case "failed" | "cancelled" | "unknown":
            return {**fields, "state": "output-error", "errorText": error_text(part.state, part.error)}
        case "streaming":
            return {**fields, "state": "input-streaming"}
        case "ready" | "running" | "waiting":
            return {**fields, "state": "input-available"}
