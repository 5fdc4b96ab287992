"""Responses in the store: which run a response's id names, and which segment of it. Pure.

A run is cut where it waited for its client. Each segment is a response; the outputs that a client gave are the input of
the next one. From a log the segments are exact. Where it is no longer kept, they are made of the message: a step with
calls that waited ends one.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chatkeep import ids
from chatkeep.chat.event_log import part_events
from chatkeep.chat.events import Event, RunFinished, RunResumed, RunStarted, RunWaiting, StepStarted, ToolCallFinished
from chatkeep.chat.types import Message, Part, Run, StepPart, ToolCallPart

_PREFIX = "resp_"


class ResponseId(NamedTuple):
    """A response: of a run, the segment after its wait number `wait`, which is at the position `after`; 0: the first.

    As text: `resp_RUN`, or `resp_RUN_WAIT_AFTER`.
    """

    run_id: str
    wait: int = 0
    after: int = 0

    def __str__(self) -> str:
        """Return the id as text."""
        return f"{_PREFIX}{self.run_id}" + (f"_{self.wait}_{self.after}" if self.wait else "")


class Segment(NamedTuple):
    """Events of a run between two waits, after position `after`; the steps of the turn in them, from 1."""

    after: int
    events: Sequence[Event]
    first_step: int
    last_step: int


def parse_response_id(text: str) -> ResponseId | None:
    """Return the response that `text` names, if there is one; None if it is no id of one."""
    run, *numbers = text.removeprefix(_PREFIX).split("_")
    run_id = ids.parse(run)
    are_numbers = all(each.isascii() and each.isdecimal() and len(each) < 16 for each in numbers)
    if not text.startswith(_PREFIX) or run_id is None or len(numbers) not in (0, 2) or not are_numbers:
        return None
    return ResponseId(run_id, *map(int, numbers))


def split_log(events: Sequence[Event]) -> list[Segment]:
    """Return the segments of a run, whose log is `events`. The last one may have no events yet."""
    segments: list[Segment] = []
    begin, step = 0, 1
    is_first = True  # no part has begun: the first may be that of a step, in an answer that goes on
    for at, event in enumerate(events):
        step += isinstance(event, StepStarted) and not is_first
        is_first = is_first and not hasattr(event, "index")
        if isinstance(event, RunWaiting):
            segments.append(_segment(events[begin : at + 1], segments, step))
            begin = at + 1
    if begin < len(events):
        segments.append(_segment(events[begin:], segments, step))
    return segments


def _segment(events: Sequence[Event], before: Sequence[Segment], last_step: int) -> Segment:
    if not before:
        return Segment(0, events, 1, last_step)
    return Segment(before[-1].events[-1].position, events, before[-1].last_step + 1, last_step)


def split_message(run: Run, user_message: Message, message: Message, begun: int = 0) -> list[Segment]:
    """Return the segments of a run that has ended, made of its message: the same, but without positions.

    `begun` is the number of the parts with which the answer began because it goes on with another one.
    """
    events: list[Event] = [RunStarted(run=run, user_message=user_message, message=message)]
    outputs: list[Event] = []  # of the calls that waited in this step
    last_step = max([index for index, part in enumerate(message.parts) if isinstance(part, StepPart)], default=-1)
    for event in part_events(message):
        index: int = getattr(event, "index", -1)
        if index < begun:
            continue
        if isinstance(event, StepStarted) and outputs:
            events += _wait(outputs)
            outputs = []
        is_output = isinstance(event, ToolCallFinished) and _has_waited(message.parts[index], run, index < last_step)
        (outputs if is_output else events).append(event)
    if outputs:
        events += _wait(outputs)
    return split_log([*events, RunFinished(run=run, message=message)])


def _wait(outputs: Sequence[Event]) -> list[Event]:
    return [RunWaiting(calls=(), deadline=""), *outputs, RunResumed()]


def _has_waited(part: Part, run: Run, has_next_step: bool) -> bool:
    """Return True for a call that waited. One that ended with its run, without an output, is taken for one that did."""
    if not isinstance(part, ToolCallPart) or part.kind != "client" or part.arguments is None:
        return False
    return has_next_step or part.state in ("succeeded", "failed") or run.status not in ("completed", "incomplete")
