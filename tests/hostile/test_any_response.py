"""The same as `test_any_stream.py` over the Responses API: any JSON in any field of any event."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.types import TextPart, ToolCallPart
from chatkeep.llm.responses.parser import ResponsesParser
from tests.hostile.test_any_stream import ANYTHING, damaged_streams, places, play_bytes, to_bytes
from tests.llm.responses.events import Answer
from tests.turns import PlayedTurn

AUXILIARY = (
    *("sequence_number", "id", "object", "created_at", "model", "instructions", "usage", "input_tokens", "tools"),
    *("output_tokens_details", "cached_tokens", "item_id", "content_index", "logprobs", "annotations", "role"),
    *("encrypted_content", "summary_index", "metadata", "incomplete_details"),
)
"""Keys beside the answer, whose values decide nothing over it."""
STREAM = (
    Answer()
    .think(["I need ", "it."], encrypted="gAAA")
    .say("Hel", "lo")
    .call("c1", "add", '{"a":1', ',"b":2}')
    .end()
    .events
)
PLACES = [path for path in places(STREAM) if path]
TYPES = st.sampled_from(sorted({event["type"] for event in STREAM} | {"response.failed", "response.incomplete"}))


def as_type(kind: str, event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "type": kind}


def with_item(kind: str, item: Any) -> dict[str, Any]:
    return {"type": kind, "item": item}


async def play_responses(pieces: Sequence[bytes]) -> PlayedTurn:
    return await play_bytes(pieces, ResponsesParser)


@pytest.mark.anyio
@given(damaged_streams(STREAM, PLACES, adds=True), st.integers(0, 8_000))
async def test_a_turn_ends_whatever_stands_in_an_event(stream: list[Any], place: int) -> None:
    body = to_bytes(stream)
    await play_responses([body[:place], body[place:]])


@pytest.mark.anyio
@given(damaged_streams(STREAM, [path for path in PLACES if path[-1] in AUXILIARY], adds=False))
async def test_the_answer_is_whole_whatever_stands_beside_it(stream: list[Any]) -> None:
    played = await play_responses([to_bytes(stream)])
    assert {part.text for part in played.parts if isinstance(part, TextPart)} == {"Hello"}  # once a step
    calls = [part for part in played.parts if isinstance(part, ToolCallPart)]
    assert {call.arguments_text for call in calls} == {'{"a":1,"b":2}'}
    assert played.failure is None


@pytest.mark.anyio
@given(st.lists(st.builds(as_type, TYPES, st.sampled_from(STREAM)), max_size=12))
async def test_a_turn_ends_whatever_the_types_are(stream: list[Any]) -> None:
    await play_responses([to_bytes(stream)])


@pytest.mark.anyio
@given(st.lists(ANYTHING | st.builds(with_item, TYPES, ANYTHING), max_size=5))
async def test_a_turn_ends_whatever_the_events_are(stream: list[Any]) -> None:
    await play_responses([to_bytes(stream)])


@pytest.mark.anyio
@given(st.permutations(STREAM))
async def test_a_turn_ends_in_whatever_order_events_come(stream: list[Any]) -> None:
    await play_responses([to_bytes(stream)])


@pytest.mark.anyio
async def test_the_stream_as_it_should_be_is_read() -> None:
    played = await play_responses([to_bytes(STREAM)])
    assert played.parts[1] == TextPart("Hello")
    assert isinstance(played.parts[2], ToolCallPart)
    assert played.parts[2].arguments_text == '{"a":1,"b":2}'
