"""The alphabet of the stream: everything that can happen to a run. Frozen values, one discriminated union.

An event is born without a place (`position` 0) and gets it when the journal takes it into a run's log:
how far the log has come *after* it, counted in characters for deltas and in ones for all else.
"""

from typing import Any, NamedTuple, TypeAlias

import msgspec

from chatkeep.chat.types import CallEnd, CallError, Kind, Message, Run, Value


class BaseEvent(Value, frozen=True, kw_only=True, tag_field="type"):
    """What all events have."""

    position: int = 0


class RunStarted(BaseEvent, frozen=True, kw_only=True, tag="run.started"):
    """The first event of every run; `message` is the empty assistant message."""

    run: Run
    user_message: Message
    message: Message


class TextDelta(BaseEvent, frozen=True, kw_only=True, tag="text.delta"):
    """More of what the model says, for the part at `index`."""

    index: int
    text: str


class ReasoningDelta(BaseEvent, frozen=True, kw_only=True, tag="reasoning.delta"):
    """More of what the model thinks aloud."""

    index: int
    text: str


class RefusalDelta(BaseEvent, frozen=True, kw_only=True, tag="refusal.delta"):
    """More of the model's words for declining."""

    index: int
    text: str


class StepStarted(BaseEvent, frozen=True, kw_only=True, tag="step.started"):
    """The model is asked again within the same turn."""

    index: int


class ToolCallStarted(BaseEvent, frozen=True, kw_only=True, tag="tool_call.started"):
    """The model begins to call a function; `kind` is None for a function nobody knows."""

    index: int
    call_id: str
    name: str
    kind: Kind | None


class ToolCallDelta(BaseEvent, frozen=True, kw_only=True, tag="tool_call.delta"):
    """A fragment of a call's arguments, as the model sent it."""

    index: int
    arguments_text: str


class ToolCallReady(BaseEvent, frozen=True, kw_only=True, tag="tool_call.ready"):
    """The arguments are complete and valid."""

    index: int
    arguments: dict[str, Any]


class ToolCallRunning(BaseEvent, frozen=True, kw_only=True, tag="tool_call.running"):
    """The function is about to run; committed before it does."""

    index: int


class ToolCallFinished(BaseEvent, frozen=True, kw_only=True, tag="tool_call.finished"):
    """The call has come to its end."""

    index: int
    state: CallEnd
    output: Any = None
    error: CallError | None = None


class RunWaiting(BaseEvent, frozen=True, kw_only=True, tag="run.waiting"):
    """The run waits for the client to answer `calls` (call ids), until `deadline`."""

    calls: tuple[str, ...]
    deadline: str


class RunResumed(BaseEvent, frozen=True, kw_only=True, tag="run.resumed"):
    """The run goes on after the client's outputs, or without them after the deadline."""


class RunFinished(BaseEvent, frozen=True, kw_only=True, tag="run.finished"):
    """The last event of every run, exactly once; `message` is whole."""

    run: Run
    message: Message


Delta: TypeAlias = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta
Event: TypeAlias = (
    RunStarted
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | StepStarted
    | ToolCallStarted
    | ToolCallDelta
    | ToolCallReady
    | ToolCallRunning
    | ToolCallFinished
    | RunWaiting
    | RunResumed
    | RunFinished
)

encode = msgspec.json.Encoder().encode
"""An event, or any other value, as JSON bytes."""

decode = msgspec.json.Decoder(Event).decode
"""JSON text as the event it is; raises `msgspec.ValidationError` when it is none."""


class Entry(NamedTuple):
    """An event with its place in a log and its JSON: encoded once, for the table and for every reader."""

    event: Event
    json: bytes


def to_entry(event: Event) -> Entry:
    """`event` as an entry of a log."""
    return Entry(event, encode(event))
