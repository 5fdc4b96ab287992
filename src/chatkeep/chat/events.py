"""Everything that can happen to a run: frozen values in one discriminated union. `docs/events.md` lists their fields.

A turn makes events with `position` 0. An event gets its position when the journal appends it to the run's log: how far
the log has come *after* the event. `event_log.py` explains positions.
"""

from typing import Any, ClassVar, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from chatkeep.chat.types import CallEnd, CallError, FilePart, Kind, Message, Run, Value


class BaseEvent(Value, frozen=True, kw_only=True, tag_field="type"):
    """The base of all events.

    `is_last_of_run`: nothing comes after it. `is_last_of_turn`: the worker that executes the run adds nothing more.
    Class attributes, because `isinstance` looks ten times as long at a struct, and every reader asks for every event.
    """

    is_last_of_run: ClassVar[bool] = False
    is_last_of_turn: ClassVar[bool] = False

    position: int = 0


class RunStarted(BaseEvent, frozen=True, kw_only=True, tag="run.started"):
    """The first event of every run. `message` is the answer: empty, or with the parts of one that it continues."""

    run: Run
    user_message: Message
    message: Message


class TextDelta(BaseEvent, frozen=True, kw_only=True, tag="text.delta"):
    """More text of the answer, for the part at `index`."""

    index: int
    text: str


class ReasoningDelta(BaseEvent, frozen=True, kw_only=True, tag="reasoning.delta"):
    """More of the model's thinking aloud."""

    index: int
    text: str


class RefusalDelta(BaseEvent, frozen=True, kw_only=True, tag="refusal.delta"):
    """More of the model's words for declining."""

    index: int
    text: str


class StepStarted(BaseEvent, frozen=True, kw_only=True, tag="step.started"):
    """The model is asked again within the same turn."""

    index: int


class Handover(BaseEvent, frozen=True, kw_only=True, tag="handover", rename={"from_model": "from", "to_model": "to"}):
    """Another model goes on with the answer where the one before stopped. `reason` as in `HandoverPart`."""

    index: int
    from_model: str
    to_model: str
    reason: str


class ToolCallStarted(BaseEvent, frozen=True, kw_only=True, tag="tool_call.started"):
    """The model begins to call a function. `kind` is null for a function that is not known."""

    index: int
    call_id: str
    name: str
    kind: Kind | None


class ToolCallDelta(BaseEvent, frozen=True, kw_only=True, tag="tool_call.delta"):
    """A fragment of a call's arguments, as the model sent it."""

    index: int
    arguments_text: str


class ProviderStateKept(BaseEvent, frozen=True, kw_only=True, tag="provider_state"):
    """The provider wants `value` back with the part at `index`. A part that is not there yet is a reasoning."""

    index: int
    provider: str
    model: str
    value: dict[str, Any]


class ToolCallReady(BaseEvent, frozen=True, kw_only=True, tag="tool_call.ready"):
    """The arguments are complete and valid."""

    index: int
    arguments: dict[str, Any]


class ToolCallRunning(BaseEvent, frozen=True, kw_only=True, tag="tool_call.running"):
    """The function is about to run. This event is committed before it starts."""

    index: int


class ToolCallFinished(BaseEvent, frozen=True, kw_only=True, tag="tool_call.finished"):
    """The call has ended. Only a call that succeeded has an `output`, only one that failed has an `error`.

    `files` are those that the function returned, if it returned some.
    """

    index: int
    state: CallEnd
    output: Any = None
    error: CallError | None = None
    files: tuple[FilePart, ...] | UnsetType = UNSET


class RunWaiting(BaseEvent, frozen=True, kw_only=True, tag="run.waiting"):
    """The run waits until `deadline` for the client to give the outputs of `calls` (call ids)."""

    is_last_of_turn: ClassVar[bool] = True

    calls: tuple[str, ...]
    deadline: str


class RunResumed(BaseEvent, frozen=True, kw_only=True, tag="run.resumed"):
    """The run goes on: after the client's outputs, or without them after the deadline."""


class RunFinished(BaseEvent, frozen=True, kw_only=True, tag="run.finished"):
    """The last event of every run, exactly once. `message` is the whole final message."""

    is_last_of_run: ClassVar[bool] = True
    is_last_of_turn: ClassVar[bool] = True

    run: Run
    message: Message


Delta: TypeAlias = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta
Event: TypeAlias = (
    RunStarted
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | StepStarted
    | Handover
    | ToolCallStarted
    | ToolCallDelta
    | ProviderStateKept
    | ToolCallReady
    | ToolCallRunning
    | ToolCallFinished
    | RunWaiting
    | RunResumed
    | RunFinished
)

encode = msgspec.json.Encoder().encode
"""Return an event, or any other value, as JSON bytes."""

decode = msgspec.json.Decoder(Event).decode
"""Return the event that a JSON text stands for. Raises `msgspec.ValidationError` if it is none."""


class Entry(NamedTuple):
    """An event that has its position, and its JSON, encoded once for the table and for every reader."""

    event: Event
    json: bytes


def to_entry(event: Event) -> Entry:
    """Return `event`, which has its position, as an entry of a log."""
    return Entry(event, encode(event))
