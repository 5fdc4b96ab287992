"""The two laws, as properties; and streams that the web client folds too (`tests/streams`)."""

import json
from functools import reduce
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat import event_log
from chatkeep.chat.events import Delta, Event, RunFinished, TextDelta, ToolCallDelta, decode, encode
from chatkeep.chat.types import ToolCallPart
from tests.values import logs, started

CLOSED = {"running": "unknown", "streaming": "cancelled", "ready": "cancelled", "waiting": "cancelled"}
"""The states in which open calls end."""
STREAMS = sorted((Path(__file__).parent.parent / "streams").glob("*.jsonl"))


@given(logs())
def test_law_1_the_final_message_is_the_fold_of_the_events(events: list[Event]) -> None:
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert event_log.fold(events) == finished.message


@given(logs(), st.data())
def test_law_2_any_position_is_followed_by_exactly_the_rest(events: list[Event], data: st.DataObject) -> None:
    position = data.draw(st.integers(0, events[-1].position))
    rest = event_log.after(events, position)
    assert characters(rest) == characters(events)[position:]
    assert event_log.merge(event_log.after(event_log.merge(events), position)) == event_log.merge(rest)


@given(logs(), st.sampled_from([1, 3, None]))
def test_merging_changes_neither_text_nor_positions(events: list[Event], limit: int | None) -> None:
    merged = event_log.merge(events, limit)
    assert characters(merged) == characters(events)
    assert event_log.fold(merged) == event_log.fold(events)
    assert [event.position for event in merged] == [event.position for event in event_log.assign_positions(merged, 0)]


@given(logs(), st.integers(1, 5))
def test_merging_joins_all_neighbours_up_to_the_limit(events: list[Event], limit: int) -> None:
    merged = event_log.merge(events, limit)
    original = {event.position for event in events}
    for one, two in pairwise(merged):
        if isinstance(one, Delta) and type(one) is type(two) and one.index == two.index:  # type: ignore[union-attr]  # a delta too
            assert (
                event_log.position_length(one)
                + min(limit, event_log.position_length(event_log.after(events, one.position)[0]))
                > limit
            )
        assert one.position in original


@given(logs())
def test_folding_is_applying_the_events_in_order(events: list[Event]) -> None:
    assert reduce(event_log.apply, events, started().message) == event_log.fold(events)


@given(logs())
def test_events_survive_their_json(events: list[Event]) -> None:
    assert [decode(encode(event)) for event in events] == events


@given(logs())
def test_ending_a_run_leaves_no_call_open(events: list[Event]) -> None:
    message = event_log.fold(events[:-1])
    closed = reduce(event_log.apply, event_log.closing_events(message), message)
    for before, after in zip(message.parts, closed.parts, strict=True):
        if isinstance(before, ToolCallPart) and isinstance(after, ToolCallPart):
            assert after.state == CLOSED.get(before.state, before.state)


def test_positions_count_characters_not_bytes() -> None:
    placed = event_log.assign_positions(
        [TextDelta(index=0, text="né😀"), ToolCallDelta(index=1, arguments_text="{}")], 4
    )
    assert [event.position for event in placed] == [7, 9]


def test_a_merge_stops_at_64_ki_characters() -> None:
    events = event_log.assign_positions([TextDelta(index=0, text="x" * 40_000) for _ in range(3)], 0)
    assert [event_log.position_length(event) for event in event_log.merge(events)] == [40_000, 40_000, 40_000]
    events = event_log.assign_positions([TextDelta(index=0, text="x" * 32_768) for _ in range(3)], 0)
    assert [event_log.position_length(event) for event in event_log.merge(events)] == [65_536, 32_768]


def test_a_log_begins_with_run_started() -> None:
    with pytest.raises(ValueError, match=r"run\.started"):
        event_log.fold([TextDelta(index=0, text="x")])


def test_a_part_cannot_appear_out_of_order_or_change_its_kind() -> None:
    message = event_log.fold([started(), TextDelta(index=0, text="x")])
    with pytest.raises(ValueError, match="part 5"):
        event_log.apply(message, TextDelta(index=5, text="x"))
    with pytest.raises(ValueError, match="does not fit"):
        event_log.apply(message, ToolCallDelta(index=0, arguments_text="x"))


@pytest.mark.parametrize("file", STREAMS, ids=lambda file: file.stem)
def test_the_streams_that_every_client_must_fold_alike(file: Path) -> None:
    *events, expected = file.read_text("utf-8").strip("\n").split("\n")  # not splitlines: it knows U+2028
    assert json.loads(encode(event_log.fold(decode(line) for line in events))) == json.loads(expected)


def characters(events: list[Event]) -> list[tuple[str, int, str]]:
    """Return a log as units: one for each character of a delta, one for any other event."""
    position_length: list[tuple[str, int, str]] = []
    for event in events:
        if isinstance(event, ToolCallDelta):
            position_length += [("arguments", event.index, character) for character in event.arguments_text]
        elif isinstance(event, Delta):
            position_length += [(type(event).__name__, event.index, character) for character in event.text]
        else:
            position_length.append((encode(event).decode(), 0, ""))
    return position_length
