"""The log of a run: positions in it, and the message that it amounts to. Pure: no clock, no storage, no wire.

A position says how far a log has come after an event. A log starts at 0. A delta counts the characters that it carries
(Unicode code points); any other event counts 1.

    0 --run.started--> 1 --text.delta "To get"--> 7 --text.delta " to the "--> 15 --run.finished--> 16

So every character of a delta has a position of its own, and a delta can be cut or merged without moving any event.
These three are the same log, from position 1 on:

    7 "To get"    15 " to the "           as the model sent it
    15 "To get to the "                   merged, for a reader that is behind
    4 "To "       15 "get to the "        cut at position 4, the rest merged

Law 1: the stored message is the fold of its run's events. `fold` starts with the message of `run.started` and
applies event after event. It ignores the message in `run.finished`; the two are equal.

Law 2: from every position comes exactly what follows, however the deltas were cut or merged. For the log above,
`after(events, 4)` is `get`, ` to the ` and `run.finished`. So a client that has lost its stream at position 4 resumes
there, and has each character once.

Both laws are property tests (`tests/chat/test_event_log.py`). The web client has the same fold in TypeScript
(`clients/typescript/src/events.ts`); the logs in `tests/streams` hold the two together. `docs/events.md` tells clients
the same.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, assert_never

from msgspec.structs import replace

from chatkeep.chat.events import (
    Delta,
    Event,
    Handover,
    ProviderStateKept,
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
from chatkeep.chat.types import (
    FilePart,
    HandoverPart,
    Message,
    Part,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    StepPart,
    TextPart,
    ToolCallPart,
)

MAX_MERGED_CHARS = 65_536
"""The most characters of a delta that `merge` makes (`docs/events.md`, "Positions")."""


def fold(events: Iterable[Event]) -> Message:
    """Return the assistant message that `events`, a run's log from its first event on, amount to.

    Raises:
        ValueError: the first event is not `run.started`.
    """
    merged = merge(events, limit=None)
    if not merged or not isinstance(merged[0], RunStarted):
        raise ValueError("a log begins with run.started")
    return reduce(apply, merged[1:], merged[0].message)


def apply(message: Message, event: Event) -> Message:  # noqa: C901, PLR0912  # one case an event
    """Return `message` as it is after `event`. A part appears with the first event that names its index.

    Raises:
        ValueError: the event does not fit the message.
    """
    match event:
        case RunStarted():
            return event.message
        case TextDelta() | ReasoningDelta() | RefusalDelta() | ToolCallDelta():
            return _with_part(message, event.index, _extended_part(message, event))
        case StepStarted():
            return _with_part(message, event.index, StepPart())
        case Handover():
            part = HandoverPart(event.from_model, event.to_model, event.reason)
            return _with_part(message, event.index, part)
        case ToolCallStarted():
            return _with_part(message, event.index, ToolCallPart(event.call_id, event.name, event.kind))
        case ProviderStateKept():
            return _with_part(message, event.index, _with_state(message, event))
        case ToolCallReady():
            return _with_call(message, event.index, arguments=event.arguments, state="ready")
        case ToolCallRunning():
            return _with_call(message, event.index, state="running")
        case ToolCallFinished():
            ended = {"state": event.state, "output": event.output, "error": event.error, "files": event.files}
            return _with_call(message, event.index, **ended)
        case RunWaiting():
            return replace(_with_waiting_calls(message, event.calls), status="requires_action")
        case RunResumed():
            return replace(message, status="in_progress")
        case RunFinished():
            return replace(message, status=event.run.status)
        case _:
            assert_never(event)


def merge(events: Iterable[Event], limit: int | None = MAX_MERGED_CHARS) -> list[Event]:
    """Return the same log with adjacent deltas of one part merged, into deltas of at most `limit` characters.

    None: no limit. A single delta that is longer stays as it is.
    """
    merged: list[Event] = []
    deltas: list[Delta] = []  # adjacent, of one part: the next to be joined
    size = 0
    for event in events:
        length = position_length(event)
        if deltas and not (_continues(deltas[-1], event) and (limit is None or size + length <= limit)):
            merged.append(_join(deltas))
            deltas, size = [], 0
        if isinstance(event, Delta):
            deltas.append(event)
            size += length
        else:
            merged.append(event)
    if deltas:
        merged.append(_join(deltas))
    return merged


def after(events: Iterable[Event], position: int) -> list[Event]:
    """Return the events after `position`. A delta that spans it is cut there."""
    rest: list[Event] = []
    for event in events:
        if event.position - position_length(event) >= position:
            rest.append(event)
        elif event.position > position and isinstance(event, Delta):
            rest.append(with_text(event, delta_text(event)[position - event.position :]))
    return rest


def assign_positions(events: Iterable[Event], position: int) -> list[Event]:
    """Return `events` with their positions, as they follow a log that has come to `position`."""
    positioned: list[Event] = []
    for event in events:
        position += position_length(event)
        positioned.append(replace(event, position=position))
    return positioned


def position_length(event: Event) -> int:
    """Return how far `event` moves the position of a log: the characters of a delta, 1 for any other event."""
    match event:
        case TextDelta() | ReasoningDelta() | RefusalDelta():
            return len(event.text)
        case ToolCallDelta():
            return len(event.arguments_text)
        case _:
            return 1


def closing_events(message: Message) -> list[Event]:
    """Return the events that end the open tool calls of `message`, for a run that ends.

    A call that was running may or may not have been done: `unknown`. All others were not done: `cancelled`
    (`docs/functions.md`, "When the run ends first").
    """
    return [
        ToolCallFinished(index=index, state="unknown" if part.state == "running" else "cancelled")
        for index, part in enumerate(message.parts)
        if isinstance(part, ToolCallPart) and part.state in ("streaming", "ready", "running", "waiting")
    ]


def part_events(message: Message) -> list[Event]:
    """Return events that make the parts of `message`, without positions: for an answer that begins with some.

    No event starts a call that runs, nor brings a provider's state.
    """
    return [event for index, part in enumerate(message.parts) for event in _events_of(index, part)]


def _events_of(index: int, part: Part) -> list[Event]:
    match part:
        case TextPart():
            return [TextDelta(index=index, text=part.text)] if part.text else []
        case ReasoningPart():
            return [ReasoningDelta(index=index, text=part.text)] if part.text else []
        case RefusalPart():
            return [RefusalDelta(index=index, text=part.text)] if part.text else []
        case StepPart():
            return [StepStarted(index=index)]
        case HandoverPart():
            return [Handover(index=index, from_model=part.from_model, to_model=part.to_model, reason=part.reason)]
        case ToolCallPart():
            return _call_events(index, part)
        case FilePart():
            return []  # no answer has one


def _call_events(index: int, part: ToolCallPart) -> list[Event]:
    events: list[Event] = [ToolCallStarted(index=index, call_id=part.call_id, name=part.name, kind=part.kind)]
    if part.arguments_text:
        events.append(ToolCallDelta(index=index, arguments_text=part.arguments_text))
    if part.arguments is not None:
        events.append(ToolCallReady(index=index, arguments=part.arguments))
    if part.state in ("succeeded", "failed", "unknown", "cancelled"):
        outcome = ToolCallFinished(
            index=index, state=part.state, output=part.output, error=part.error, files=part.files
        )
        events.append(outcome)
    return events


def _continues(last: Delta, event: Event) -> bool:
    return type(event) is type(last) and event.index == last.index  # type: ignore[union-attr]  # same type as a delta


def _join(deltas: Sequence[Delta]) -> Delta:
    if len(deltas) == 1:
        return deltas[0]
    whole = with_text(deltas[0], "".join(map(delta_text, deltas)))
    return replace(whole, position=deltas[-1].position)


def delta_text(delta: Delta) -> str:
    """Return the characters that `delta` carries."""
    return delta.arguments_text if isinstance(delta, ToolCallDelta) else delta.text


def with_text(delta: Delta, text: str) -> Delta:
    """Return `delta` with `text` in place of its characters; its position stays."""
    if isinstance(delta, ToolCallDelta):
        return replace(delta, arguments_text=text)
    return replace(delta, text=text)


def _with_state(message: Message, event: ProviderStateKept) -> Part:
    part = message.parts[event.index] if event.index < len(message.parts) else ReasoningPart("")
    if not isinstance(part, TextPart | ReasoningPart | ToolCallPart):
        raise ValueError(f"the part at {event.index} has no state of a provider")
    return replace(part, provider_state=ProviderState(event.provider, event.model, event.value))


def _extended_part(message: Message, delta: Delta) -> Part:
    part = message.parts[delta.index] if delta.index < len(message.parts) else None
    match delta, part:
        case ToolCallDelta(), ToolCallPart():
            return replace(part, arguments_text=part.arguments_text + delta.arguments_text)
        case (TextDelta(), TextPart()) | (ReasoningDelta(), ReasoningPart()) | (RefusalDelta(), RefusalPart()):
            return replace(part, text=part.text + delta.text)
        case TextDelta(), None:
            return TextPart(delta.text)
        case ReasoningDelta(), None:
            return ReasoningPart(delta.text)
        case RefusalDelta(), None:
            return RefusalPart(delta.text)
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
