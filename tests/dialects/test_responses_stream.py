"""Streams of the Responses API as a fold: numbers never change, nothing is lost, and every frame has its form."""

import json
from collections.abc import Iterable
from typing import Any

import openresponses_types as forms
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from chatkeep.api.dialects.responses_object import response_head
from chatkeep.api.dialects.responses_stream import SLOTS, ResponseEncoder
from chatkeep.chat import event_log
from chatkeep.chat.events import Event, RunFinished, RunWaiting, TextDelta
from chatkeep.chat.types import Usage
from tests.values import logs, message, run, started

Frame = dict[str, Any]
EVENTS = {
    str(next(iter(each.model_fields["type"].annotation))): each  # type: ignore[arg-type]  # an enumeration of one text
    for each in vars(forms).values()
    if isinstance(each, type) and issubclass(each, BaseModel) and each.__name__.endswith("StreamingEvent")
}
"""The models of Open Responses by the type of the event."""
DELTAS = ("response.output_text.delta", "response.refusal.delta", "response.reasoning_summary_text.delta",
          "response.function_call_arguments.delta")  # fmt: skip


def encoder(seen: int = -1, after: int = 0) -> ResponseEncoder:
    return ResponseEncoder(response_head("resp_r", run(), {}), "m", after, seen)


def play(events: Iterable[Event], seen: int = -1) -> bytes:
    """Return the frames of the first segment of a log, and their end."""
    response = encoder(seen)
    frames = b"".join([response.encode(event) for event in events])
    return frames + (response.finish(Usage()) if response.ending else b"")


def parsed(stream: bytes) -> list[Frame]:
    frames: list[Frame] = []
    for block in stream.decode().split("\n\n")[:-1]:
        *head, data = block.split("\n")
        if data == "data: [DONE]":
            continue
        frame = json.loads(data.removeprefix("data: "))
        assert head == [f"event: {frame['type']}"]
        frames.append(frame)
    return frames


def characters(frames: list[Frame]) -> list[Any]:
    """Return frames with each delta as one unit for each of its characters, with that one's number."""
    units: list[Any] = []
    for frame in frames:
        if frame["type"] in DELTAS and frame["sequence_number"] % SLOTS == SLOTS - 2:
            text, last = frame["delta"], frame["sequence_number"]
            units += [(last - SLOTS * (len(text) - 1 - at), frame["item_id"], each) for at, each in enumerate(text)]
        else:
            units.append((frame["sequence_number"], json.dumps(frame)))
    return units


def closed(events: list[Event]) -> list[Event]:
    """Return a log with its open calls ended before it waits or ends, as every real one has them."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, RunWaiting | RunFinished):
            waiting = event.calls if isinstance(event, RunWaiting) else ()
            parts = event_log.fold(found).parts
            found += [
                each
                for each in event_log.closing_events(event_log.fold(found))
                if getattr(parts[getattr(each, "index", 0)], "call_id", "") not in waiting
            ]
        found.append(event)
    return event_log.assign_positions(found, 0)


whole = logs().map(closed)


@given(whole)
def test_numbers_grow(events: list[Event]) -> None:
    numbers = [frame["sequence_number"] for frame in parsed(play(events))]
    assert numbers == sorted(set(numbers))


@given(whole, st.sampled_from([1, 3, None]))
def test_merging_changes_no_number(events: list[Event], limit: int | None) -> None:
    assert characters(parsed(play(event_log.merge(events, limit)))) == characters(parsed(play(events)))


@given(whole, st.data())
def test_any_number_is_followed_by_exactly_the_rest(events: list[Event], data: st.DataObject) -> None:
    units = characters(parsed(play(events)))
    seen = data.draw(st.integers(-1, units[-1][0]))
    rest = parsed(play(event_log.merge(events), seen))
    assert characters(rest) == [unit for unit in units if unit[0] > seen]


@given(whole)
def test_a_break_has_a_number_of_its_own(events: list[Event]) -> None:
    for length in range(1, len(events)):
        response = encoder()
        sent = parsed(b"".join([response.encode(event) for event in events[:length]]))
        if response.ending is None:
            (error,) = parsed(response.break_off())
            assert characters(parsed(play(events, error["sequence_number"]))) == [
                unit for unit in characters(parsed(play(events))) if unit[0] > sent[-1]["sequence_number"]
            ]


@given(whole)
def test_frames_and_objects_have_the_form_of_open_responses(events: list[Event]) -> None:
    for frame in parsed(play(events)):
        EVENTS[frame["type"]].model_validate(frame)
    response = encoder()
    for event in events:
        response.encode(event)
        forms.ResponseResource.model_validate(response.snapshot())


@given(whole)
def test_items_are_added_and_end_as_they_stand_in_the_response(events: list[Event]) -> None:
    frames = parsed(play(events))
    added = [frame["item"]["id"] for frame in frames if frame["type"] == "response.output_item.added"]
    ended = {frame["output_index"]: frame["item"] for frame in frames if frame["type"] == "response.output_item.done"}
    output = frames[-1]["response"]["output"]
    assert [ended[index] for index in range(len(added))] == output
    assert [each["id"] for each in output] == added
    for frame in frames:
        if "item_id" in frame:
            assert output[frame["output_index"]]["id"] == frame["item_id"]


@pytest.mark.parametrize(
    ("status", "reason", "event", "shown"),
    [
        ("completed", "stop", "response.completed", "completed"),
        ("incomplete", "length", "response.incomplete", "incomplete"),
        ("incomplete", "content_filter", "response.incomplete", "incomplete"),
        ("cancelled", None, "response.incomplete", "cancelled"),
        ("failed", None, "response.failed", "failed"),
        ("interrupted", None, "response.failed", "failed"),
    ],
)
def test_ends(status: Any, reason: str | None, event: str, shown: str) -> None:
    ended = run(status=status, finish_reason=reason)
    events = [started(), TextDelta(index=0, text="To get"), RunFinished(run=ended, message=message())]
    *_, last = parsed(play(event_log.assign_positions(events, 0)))
    assert (last["type"], last["response"]["status"]) == (event, shown)
    assert last["response"]["output"][0]["status"] == ("completed" if status == "completed" else "incomplete")
