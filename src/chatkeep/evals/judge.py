"""Compares an answer with the expectations of a case, and describes the first fault in one line."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from chatkeep.agent.turn import Outcome, count_corrections
from chatkeep.chat.texts import join_texts
from chatkeep.chat.types import Message, RefusalPart, TextPart, ToolCallPart
from chatkeep.evals.suite import NONE, Constraint, Exchange

_MAX_QUOTED_CHARS = 80
"""Characters of an answer that a fault quotes."""


def find_fault(expected: Exchange, answer: Message, outcome: Outcome) -> str | None:
    """Return the first fault of `answer`, in one line; None if it is as expected."""
    return next(_find_faults(expected, answer, outcome), None)


def visible_text(answer: Message) -> str:
    """Return all text that the user sees of an answer: its text and refusals, and every string in its replies."""
    texts = [join_texts(answer.parts, "\n", (TextPart, RefusalPart))]
    for part in answer.parts:
        if isinstance(part, ToolCallPart) and part.kind == "reply" and part.state == "succeeded":
            texts += _texts(part.output)
    return "\n".join(texts)


def _find_faults(expected: Exchange, answer: Message, outcome: Outcome) -> Iterator[str]:
    text = visible_text(answer)
    if outcome.status != "completed":
        yield f"it ended as {outcome.status} ({outcome.finish_reason})"
    calls = [part for part in answer.parts if isinstance(part, ToolCallPart)]
    if expected.calls is not None:
        yield from _find_wrong_calls(expected, calls, text)
    if expected.corrections is not None and (number := count_corrections(answer)) > expected.corrections:
        first = next(call.error.message for call in calls if call.error is not None)
        yield f"{number} corrections: {first}"
    if not text.strip():
        yield "it said nothing"
    for pattern in expected.must_say:
        if not re.search(pattern, text, re.IGNORECASE):
            yield f"it did not say /{pattern}/: {_quote(text)}"
    for pattern in expected.must_not_say:
        if match := re.search(pattern, text, re.IGNORECASE):
            yield f"it said {match[0]!r}"


def _find_wrong_calls(expected: Exchange, calls: Sequence[ToolCallPart], text: str) -> Iterator[str]:
    succeeded = [call for call in calls if call.state == "succeeded"]
    others = [call.name for call in succeeded if call.name not in (expected.calls, *expected.may_call)]
    if expected.calls == NONE:
        if others:
            yield f"it called {others[0]}"
        return
    matching = [call for call in succeeded if call.name == expected.calls]
    if not matching:
        yield _describe_missing(str(expected.calls), calls, text)
        return
    faults = [_find_wrong_argument(expected, call.arguments or {}) for call in matching]
    if None not in faults:
        yield str(faults[-1])
    if others:
        yield f"it called {others[0]} too"


def _describe_missing(name: str, calls: Sequence[ToolCallPart], text: str) -> str:
    if failed := next((call for call in calls if call.name == name and call.error is not None), None):
        assert failed.error is not None, "it was chosen for its error"
        return f"{name} failed: {failed.error.code}: {failed.error.message}"
    if calls:
        return f"it did not call {name} but {calls[0].name}"
    return f"it did not call {name}: {_quote(text)}"


def _find_wrong_argument(expected: Exchange, arguments: dict[str, Any]) -> str | None:
    faults = (_check(name, constraint, arguments.get(name)) for name, constraint in expected.arguments.items())
    return next((each for each in faults if each), None)


def _check(name: str, constraint: Constraint, value: Any) -> str | None:
    """Return the first rule of `constraint` that the argument `name` breaks, in one line; None if it breaks none."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    number = value if isinstance(value, int | float) else None
    for rule in constraint.model_fields_set:
        limit = getattr(constraint, rule)
        match rule:
            case "equals":
                holds = value == limit
            case "contains":
                holds = limit.lower() in text.lower()
            case "matches":
                holds = re.search(limit, text, re.IGNORECASE) is not None
            case "at_least":
                holds = number is not None and number >= limit
            case _:
                holds = number is not None and number <= limit
        if not holds:
            return f"{name}: {_quote(text)} is not what {rule.replace('_', ' ')} {limit!r} asks for"
    return None


def _texts(value: Any) -> list[str]:
    """Return every string in a JSON value; keys are none."""
    match value:
        case str():
            return [value]
        case list() | dict():
            items: list[Any] = list(value.values() if isinstance(value, dict) else value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]  # JSON is untyped by nature
            return [text for item in items for text in _texts(item)]
        case _:
            return []


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _MAX_QUOTED_CHARS else f"{line[:_MAX_QUOTED_CHARS]}…")
