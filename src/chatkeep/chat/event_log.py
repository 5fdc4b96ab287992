"""What a list of events means. Pure: no clock, no storage, no wire.

Law 1: a stored message is the fold of its run's events. Law 2: what comes after a position is the same
however the deltas were cut or merged. `merge` and `after` change how a log is divided, never what it says.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, assert_never

from msgspec.structs import replace

from chatkeep.chat.events import (
    Delta,
    Event,
    ReasoningDelta,
    RefusalDelta,
    RunFinished,
    RunResumed,
    RunStarted,
    RunWaiting,
    StepStarted,
    TextDelta,
    ToolCallDelta,
    ToolCallFinished,
    ToolCallReady,
    ToolCallRunning,
    ToolCallStarted,
)
from chatkeep.chat.types import Message, Part, ReasoningPart, RefusalPart, StepPart, TextPart, ToolCallPart

MAX_MERGED_CHARS = 65_536
"""The most characters that deltas are merged into one for (protocol §6)."""


def fold(events: Iterable[Event]) -> Message:
    """The assistant message that `events`, a run's log from its first event on, tell of.

    Raises:
        ValueError: the first event is not `run.started`.
    """
    merged = merge(events, limit=None)
    if not merged or not isinstance(merged[0], RunStarted):
        raise ValueError("a log begins with run.started")
    return reduce(apply, merged[1:], merged[0].message)


def apply(message: Message, event: Event) -> Message:  # noqa: C901  # one case an event
    """`message` after `event`. A part appears with the first event that names its index."""
    match event:
        case RunStarted():
            return event.message
        case TextDelta() | ReasoningDelta() | RefusalDelta() | ToolCallDelta():
            return _with_part(message, event.index, _extended_part(message, event))
        case StepStarted():
            return _with_part(message, event.index, StepPart())
        case ToolCallStarted():
            return _with_part(message, event.index, ToolCallPart(event.call_id, event.name, event.kind))
        case ToolCallReady():
            return _with_call(message, event.index, arguments=event.arguments, state="ready")
        case ToolCallRunning():
            return _with_call(message, event.index, state="running")
        case ToolCallFinished():
            return _with_call(message, event.index, state=event.state, output=event.output, error=event.error)
        case RunWaiting():
            return replace(_with_waiting_calls(message, event.calls), status="requires_action")
        case RunResumed():
            return replace(message, status="in_progress")
        case RunFinished():
            return replace(message, status=event.run.status)
        case _:
            assert_never(event)


def merge(events: Iterable[Event], limit: int | None = MAX_MERGED_CHARS) -> list[Event]:
    """The same log with adjacent deltas of one part as one, of at most `limit` characters (None: any number)."""
    merged: list[Event] = []
    gathered: list[Delta] = []
    size = 0
    for event in events:
        units_ = position_length(event)
        if gathered and not (_continues(gathered[-1], event) and (limit is None or size + units_ <= limit)):
            merged.append(_join(gathered))
            gathered, size = [], 0
        if isinstance(event, Delta):
            gathered.append(event)
            size += units_
        else:
            merged.append(event)
    if gathered:
        merged.append(_join(gathered))
    return merged


def after(events: Iterable[Event], position: int) -> list[Event]:
    """What of `events` comes after `position`; a delta that spans it is cut there."""
    rest: list[Event] = []
    for event in events:
        if event.position - position_length(event) >= position:
            rest.append(event)
        elif event.position > position and isinstance(event, Delta):
            rest.append(_with_text(event, _delta_text(event)[position - event.position :]))
    return rest


def assign_positions(events: Iterable[Event], position: int) -> list[Event]:
    """`events` with their positions, the first one right after `position`."""
    placed: list[Event] = []
    for event in events:
        position += position_length(event)
        placed.append(replace(event, position=position))
    return placed


def position_length(event: Event) -> int:
    """How far `event` takes a log: a delta by its characters (Unicode code points), any other by 1."""
    match event:
        case TextDelta() | ReasoningDelta() | RefusalDelta():
            return len(event.text)
        case ToolCallDelta():
            return len(event.arguments_text)
        case _:
            return 1


def closing_events(message: Message) -> list[Event]:
    """The ends of the calls that are open in `message`, for a run that is being closed.

    A call that was running has an outcome nobody knows; all others did not happen (protocol §8).
    """
    return [
        ToolCallFinished(index=index, state="unknown" if part.state == "running" else "cancelled")
        for index, part in enumerate(message.parts)
        if isinstance(part, ToolCallPart) and part.state in ("streaming", "ready", "running", "waiting")
    ]


def _continues(last: Delta, event: Event) -> bool:
    return type(event) is type(last) and event.index == last.index  # type: ignore[union-attr]  # same type as a delta


def _join(deltas: Sequence[Delta]) -> Delta:
    if len(deltas) == 1:
        return deltas[0]
    whole = _with_text(deltas[0], "".join(map(_delta_text, deltas)))
    return replace(whole, position=deltas[-1].position)


def _delta_text(delta: Delta) -> str:
    return delta.arguments_text if isinstance(delta, ToolCallDelta) else delta.text


def _with_text(delta: Delta, said: str) -> Delta:
    if isinstance(delta, ToolCallDelta):
        return replace(delta, arguments_text=said)
    return replace(delta, text=said)


def _extended_part(message: Message, delta: Delta) -> Part:
    part = message.parts[delta.index] if delta.index < len(message.parts) else None
    match delta, part:
        case ToolCallDelta(), ToolCallPart():
            return replace(part, arguments_text=part.arguments_text + delta.arguments_text)
        case TextDelta(), TextPart() | None:
            return TextPart((part.text if part else "") + delta.text)
        case ReasoningDelta(), ReasoningPart() | None:
            return ReasoningPart((part.text if part else "") + delta.text)
        case RefusalDelta(), RefusalPart() | None:
            return RefusalPart((part.text if part else "") + delta.text)
        case _:
            raise ValueError(f"{type(delta).__name__} does not fit the part at {delta.index}")


def _with_part(message: Message, index: int, part: Part) -> Message:
    if index > len(message.parts):
        raise ValueError(f"part {index} of a message that has {len(message.parts)}")
    return replace(message, parts=(*message.parts[:index], part, *message.parts[index + 1 :]))


def _with_call(message: Message, index: int, **changes: Any) -> Message:
    call = message.parts[index]
    if not isinstance(call, ToolCallPart):
        raise ValueError(f"part {index} is no function call")
    return _with_part(message, index, replace(call, **changes))


def _with_waiting_calls(message: Message, calls: tuple[str, ...]) -> Message:
    parts = (
        replace(part, state="waiting") if isinstance(part, ToolCallPart) and part.call_id in calls else part
        for part in message.parts
    )
    return replace(message, parts=tuple(parts))
