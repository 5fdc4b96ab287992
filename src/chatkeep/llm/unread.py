"""Notices an answer that is in a form which is not read, so that it does not pass for an empty one. Pure.

A server that sends its words under keys of its own ends its stream as well as any other. Nothing would be shown, and
the run would be `completed`.
"""

from collections.abc import Iterable
from typing import Any, cast

from chatkeep.llm.chunks import Chunk, MessageDelta
from chatkeep.llm.content_list import read_content_list

_AUXILIARY = frozenset({
    "id", "object", "created", "model", "type", "index", "name", "role", "logprobs", "usage", "obfuscation",
    "finish_reason", "native_finish_reason", "stop_reason", "content_filter_results", "provider", "token_ids",
    "extra_content", "signature",  # Gemini
})  # fmt: skip
"""Keys within a choice whose texts are no part of an answer."""
_ANSWERS = (
    "response", "output", "output_text", "text", "content", "message", "completion", "generated_text", "candidates",
    "result", "data", "delta",
)  # fmt: skip
"""Keys under which other kinds of servers send their answer, in place of `choices`."""
_MAX_DEPTH = 32


def says_something(chunk: Chunk) -> bool:
    """Return True if `chunk` has a piece of the answer in a form that is read."""
    deltas = [delta for choice in chunk.choices or () for delta in (choice.delta, choice.message) if delta is not None]
    return any(map(_has_piece, deltas))


def has_unread(payload: Any) -> bool:
    """Return True if `payload`, a decoded chunk that says nothing, has text where an answer may stand."""
    if not isinstance(payload, dict):
        return False
    fields = cast("dict[str, Any]", payload)
    if fields.get("choices"):
        return _has_text(fields["choices"])
    return any(_has_text(fields.get(name)) for name in _ANSWERS)


def _has_piece(delta: MessageDelta) -> bool:
    content = delta.content if not isinstance(delta.content, list) else _join(delta.content)
    reasoning = delta.reasoning_content or (delta.reasoning if isinstance(delta.reasoning, str) else "")
    return bool(content or reasoning or delta.refusal or delta.tool_calls or delta.function_call)


def _join(content: Iterable[Any]) -> str:
    return "".join(text for _, text in read_content_list(content))


def _has_text(value: Any, depth: int = 0) -> bool:
    """Return True if a text that is not blank stands somewhere in `value`, except under an auxiliary key."""
    if depth > _MAX_DEPTH:
        return True
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, list):
        return any(_has_text(each, depth + 1) for each in cast("list[Any]", value))
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return any(_has_text(each, depth + 1) for name, each in fields.items() if name not in _AUXILIARY)
    return False
