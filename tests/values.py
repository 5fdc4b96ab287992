"""Values for tests: a run, its messages, and logs that hypothesis generates."""

from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from hypothesis import strategies as st
from msgspec.structs import replace

from chatkeep.chat.event_log import assign_positions, fold
from chatkeep.chat.events import (
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
from chatkeep.chat.types import CallError, FilePart, Message, Run, RunEnd, TextPart, Usage

TIME = "2026-11-22T21:04:05.000123Z"


def uid(name: str) -> str:
    """Return a valid id, the same for the same name."""
    return str(uuid5(NAMESPACE_OID, name))


def message(role: Any = "assistant", text: str = "", **changes: Any) -> Message:
    """Return a message with this text."""
    template = Message(
        id=f"m-{role}",
        session_id="s",
        parent_id=None,
        seq=1,
        role=role,
        parts=(TextPart(text),) if text else (),
        run_id="r" if role == "assistant" else None,
        status="in_progress" if role == "assistant" else "completed",
        created_at=TIME,
    )
    return replace(template, **changes)


def run(**changes: Any) -> Run:
    """Return a run that has just started."""
    template = Run(
        id="r",
        session_id="s",
        number=1,
        user_message_id="m-user",
        message_id="m-assistant",
        status="in_progress",
        model="some",
        finish_reason=None,
        error=None,
        usage=Usage(),
        attempt=1,
        position=1,
        created_at=TIME,
        started_at=TIME,
        first_token_at=None,
        finished_at=None,
    )
    return replace(template, **changes)


def started() -> RunStarted:
    """Return the first event of a log."""
    return RunStarted(run=run(), user_message=message("user", "Hi"), message=message())


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """Generate a whole log: parts of every kind, deltas cut anywhere, any end."""
    events: list[Event] = [started()]
    for index in range(draw(st.integers(0, 5))):
        events += draw(_parts(index))
    status: RunEnd = draw(st.sampled_from(["completed", "incomplete", "failed", "cancelled", "interrupted"]))
    ended = run(status=status, position=assign_positions(events, 0)[-1].position + 1)
    events.append(RunFinished(run=ended, message=replace(fold(events), status=status)))
    return assign_positions(events, 0)


_SAID = st.text(min_size=1, max_size=12)


def _parts(index: int) -> st.SearchStrategy[Sequence[Event]]:
    deltas = st.lists(_SAID, min_size=1, max_size=6)
    return st.one_of(
        deltas.map(lambda texts: [TextDelta(index=index, text=text) for text in texts]),
        deltas.map(lambda texts: [ReasoningDelta(index=index, text=text) for text in texts]),
        deltas.map(lambda texts: [RefusalDelta(index=index, text=text) for text in texts]),
        st.just([StepStarted(index=index)]),
        st.just([Handover(index=index, from_model="a", to_model="b", reason="model_timeout")]),
        st.just([ProviderStateKept(index=index, provider="p", model="m", value={"reasoning_details": [{"d": "x"}]})]),
        _calls(index),
        _waits(index),
    )


@st.composite
def _waits(draw: st.DrawFn, index: int) -> list[Event]:
    """Generate a client's call: answered, cancelled, or still open."""
    events: list[Event] = [
        ToolCallStarted(index=index, call_id=f"c{index}", name="g", kind="client"),
        ToolCallReady(index=index, arguments={}),
        RunWaiting(calls=(f"c{index}",), deadline=TIME),
    ]
    ends = [
        ToolCallFinished(index=index, state="succeeded", output=1),
        ToolCallFinished(index=index, state="cancelled"),
    ]
    how_far = draw(st.integers(0, 2))
    if how_far > 0:
        events.append(draw(st.sampled_from(ends)))
    if how_far > 1:
        events.append(RunResumed())
    return events


@st.composite
def _calls(draw: st.DrawFn, index: int) -> list[Event]:
    events: list[Event] = [ToolCallStarted(index=index, call_id=f"c{index}", name="f", kind="reply")]
    events += [ToolCallDelta(index=index, arguments_text=text) for text in draw(st.lists(_SAID, max_size=5))]
    if draw(st.booleans()):
        events.append(ProviderStateKept(index=index, provider="p", model="m", value={"a": [1, None]}))
    how_far = draw(st.integers(0, 3))
    if how_far > 0:
        events.append(ToolCallReady(index=index, arguments={"a": 1}))
    if how_far > 1:
        events.append(ToolCallRunning(index=index))
    if how_far > 2:
        ends: list[ToolCallFinished] = [
            ToolCallFinished(index=index, state="succeeded", output={"a": [1, None]}),
            ToolCallFinished(index=index, state="succeeded", files=(FilePart("f", "a.csv", "text/csv", 9),)),
            ToolCallFinished(index=index, state="failed", error=CallError("tool_error", "no")),
            ToolCallFinished(index=index, state="unknown"),
            ToolCallFinished(index=index, state="cancelled"),
        ]
        events.append(draw(st.sampled_from(ends)))
    return events
