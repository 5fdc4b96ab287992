"""Whether an answer is what a case expects; and if not, why, in a line."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from chatkeep.agent.turn import Outcome, count_corrections
from chatkeep.chat.types import Message, RefusalPart, TextPart, ToolCallPart
from chatkeep.evals.suite import NONE, Constraint, Exchange

_SHOWN = 80
"""Characters of an answer that a reason quotes."""


def find_fault(expected: Exchange, answer: Message, outcome: Outcome) -> str | None:
    """Why `answer` is not what is `expected`; None when it is."""
    return next(_find_faults(expected, answer, outcome), None)


def visible_text(answer: Message) -> str:
    """All that the user is shown of an answer: what was said, and the texts of its cards."""
    texts: list[str] = []
    for part in answer.parts:
        if isinstance(part, TextPart | RefusalPart):
            texts.append(part.text)
        elif isinstance(part, ToolCallPart) and part.kind == "reply" and part.state == "succeeded":
            texts += _texts(part.output)
    return "\n".join(texts)


def _find_faults(expected: Exchange, answer: Message, outcome: Outcome) -> Iterator[str]:
    said = visible_text(answer)
    if outcome.status != "completed":
        yield f"it ended as {outcome.status} ({outcome.finish_reason})"
    calls = [part for part in answer.parts if isinstance(part, ToolCallPart)]
    if expected.calls is not None:
        yield from _wrong_calls(expected, calls, said)
    if expected.corrections is not None and (number := count_corrections(answer)) > expected.corrections:
        first = next(call.error.message for call in calls if call.error is not None)
        yield f"{number} corrections: {first}"
    if not said.strip():
        yield "it said nothing"
    for pattern in expected.must_say:
        if not re.search(pattern, said, re.IGNORECASE):
            yield f"it did not say /{pattern}/: {_cut(said)}"
    for pattern in expected.must_not_say:
        if found := re.search(pattern, said, re.IGNORECASE):
            yield f"it said {found[0]!r}"


def _wrong_calls(expected: Exchange, calls: Sequence[ToolCallPart], said: str) -> Iterator[str]:
    done = [call for call in calls if call.state == "succeeded"]
    others = [call.name for call in done if call.name not in (expected.calls, *expected.may_call)]
    if expected.calls == NONE:
        if others:
            yield f"it called {others[0]}"
        return
    wanted = [call for call in done if call.name == expected.calls]
    if not wanted:
        yield _missing(str(expected.calls), calls, said)
        return
    faults = [_wrong_arguments(expected, call.arguments or {}) for call in wanted]
    if None not in faults:
        yield str(faults[-1])
    if others:
        yield f"it called {others[0]} too"


def _missing(wanted: str, calls: Sequence[ToolCallPart], said: str) -> str:
    if failed := next((call for call in calls if call.name == wanted and call.error is not None), None):
        assert failed.error is not None, "it was chosen for its error"
        return f"{wanted} failed: {failed.error.code}: {failed.error.message}"
    if calls:
        return f"it did not call {wanted} but {calls[0].name}"
    return f"it did not call {wanted}: {_cut(said)}"


def _wrong_arguments(expected: Exchange, arguments: dict[str, Any]) -> str | None:
    faults = (_wrong(name, wanted, arguments.get(name)) for name, wanted in expected.arguments.items())
    return next((each for each in faults if each), None)


def _wrong(name: str, wanted: Constraint, value: Any) -> str | None:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    number = value if isinstance(value, int | float) else None
    for rule in wanted.model_fields_set:
        limit = getattr(wanted, rule)
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
            return f"{name}: {_cut(text)} is not what {rule.replace('_', ' ')} {limit!r} asks for"
    return None


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case list() | dict():
            items: list[Any] = list(value.values() if isinstance(value, dict) else value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]  # JSON is untyped by nature
            return [text for item in items for text in _texts(item)]
        case _:
            return []


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…")
