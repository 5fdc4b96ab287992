"""A provider may put any JSON in any place of any chunk: the turn ends, with the text that could be read.

`make fuzz` plays 100,000 streams; the usual run fewer. docs/reliability.md has the figure.
"""

import copy
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat import event_log
from chatkeep.chat.events import Delta
from chatkeep.chat.types import TextPart, ToolCallPart
from chatkeep.errors import TurnFailed
from chatkeep.llm import ModelInfo, Prompt
from chatkeep.llm.chunks import MAX_TOKENS, Chunk
from chatkeep.llm.completions.parser import CompletionsParser
from chatkeep.llm.sse_parser import SseParser
from chatkeep.text import clean
from tests.turns import PlayedTurn, play, turn_input

LIMIT = 400
"""The longest answer, in bytes: some streams reach it."""
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    ["", "stop", "length", "tool_calls", "error", "add", "\x00", "\ud83d", "\ude00", "{}", '{"a":1,"b":2}', "x" * 300]
)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, 1, MAX_TOKENS + 1, 2**64, -1, 400, 429, 500])
KEYS = st.sampled_from([
    *["choices", "delta", "message", "content", "text", "type", "tool_calls", "function", "name", "arguments", "id"],
    *["index", "finish_reason", "usage", "prompt_tokens", "error", "code", "detail", "reasoning", "refusal"],
    *["response", "item", "output", "output_index", "item_id", "call_id", "status", "summary", "encrypted_content"],
]) | TEXTS  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)

AUXILIARY = ("id", "model", "role", "logprobs", "finish_reason", "usage", "prompt_tokens", "details", "type")
"""Keys beside the answer, whose values decide nothing over it."""
STREAM: list[dict[str, Any]] = [
    {"id": "x", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"id": "x", "choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None, "logprobs": None}]},
    {"id": "x", "choices": [{"index": 0, "delta": {"content": "lo", "refusal": None}, "finish_reason": None}]},
    {"id": "x", "choices": [{"index": 0, "finish_reason": None, "delta": {
        "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1'}}]
    }}]},
    {"id": "x", "choices": [{"index": 0, "finish_reason": None, "delta": {
        "tool_calls": [{"index": 0, "function": {"arguments": ',"b":2}'}}]
    }}]},
    {"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"id": "x", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3, "details": {"cached": 1}}},
]  # fmt: skip


class Bytes:
    """A model whose answer is the parsed bytes of one body."""

    def __init__(self, pieces: Sequence[bytes], make_parser: Callable[[], SseParser]) -> None:
        self._pieces = pieces
        self._make_parser = make_parser

    def name(self, requested: str) -> str:
        return requested

    def describe(self, requested: str) -> ModelInfo:
        return ModelInfo("scripted", requested)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        parser = self._make_parser()
        for piece in self._pieces:
            if chunks := parser.feed(piece):
                yield chunks
            if parser.done or parser.failure:
                break
        else:
            yield parser.finish()
        if parser.failure is not None:
            raise parser.failure

    async def close(self) -> None:
        pass


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the paths to all values within `value`."""
    inner: dict[Any, Any] = {}
    if isinstance(value, dict):
        inner = cast("dict[Any, Any]", value)
    elif isinstance(value, list):
        inner = dict(enumerate(cast("list[Any]", value)))
    return [path, *(found for key, each in inner.items() for found in places(each, (*path, key)))]


PLACES = [path for path in places(STREAM) if path]


@st.composite
def damaged_streams(
    draw: st.DrawFn, whole: list[dict[str, Any]], places: list[tuple[str | int, ...]], *, adds: bool
) -> list[Any]:
    """Return a stream with other values in up to three of `places`, and, if `adds`, with more keys beside them."""
    stream: list[Any] = copy.deepcopy(whole)
    for *outer, last in draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        holder: Any = stream
        try:
            for key in outer:
                holder = holder[key]
            holder[last] = draw(ANYTHING)
            if adds and isinstance(holder, dict):
                holder[draw(KEYS)] = draw(ANYTHING)
        except (LookupError, TypeError):  # an earlier replacement took this place away
            continue
    return stream


def to_bytes(stream: Sequence[Any]) -> bytes:
    frames = [json.dumps(chunk).encode() for chunk in stream]
    return b"".join(b"data: " + frame + b"\n\n" for frame in [*frames, b"[DONE]"])


async def play_bytes(pieces: Sequence[bytes], make_parser: Callable[[], SseParser] = CompletionsParser) -> PlayedTurn:
    """Play a turn, and check what holds for every one."""
    played = await play(Bytes(pieces, make_parser), turn_input("?", max_answer_bytes=LIMIT))
    assert played.outcome is not None or isinstance(played.failure, TurnFailed)
    text = "".join(event_log.delta_text(event) for event in played.events if isinstance(event, Delta))
    assert text == clean(text)
    assert len(text.encode()) <= LIMIT
    stored = msgspec.json.encode(played.events)  # what is stored can be read again
    assert msgspec.json.encode(msgspec.json.decode(stored)) == stored
    usage = played.turn.usage
    assert 0 <= usage.cached_input_tokens <= usage.input_tokens <= 8 * MAX_TOKENS
    assert 0 <= usage.reasoning_tokens <= usage.output_tokens <= 8 * MAX_TOKENS
    return played


@pytest.mark.anyio
@given(damaged_streams(STREAM, PLACES, adds=True), st.integers(0, 2_000))
async def test_a_turn_ends_whatever_stands_in_a_chunk(stream: list[Any], place: int) -> None:
    body = to_bytes(stream)
    await play_bytes([body[:place], body[place:]])


@pytest.mark.anyio
@given(damaged_streams(STREAM, [path for path in PLACES if path[-1] in AUXILIARY], adds=False))
async def test_the_text_is_whole_whatever_stands_beside_it(stream: list[Any]) -> None:
    played = await play_bytes([to_bytes(stream)])
    assert {part.text for part in played.parts if isinstance(part, TextPart)} == {"Hello"}  # once a step
    assert played.failure is None


@pytest.mark.anyio
@given(st.lists(ANYTHING, max_size=5))
async def test_a_turn_ends_whatever_the_chunks_are(stream: list[Any]) -> None:
    await play_bytes([to_bytes(stream)])


@pytest.mark.anyio
@given(st.lists(st.binary(max_size=60) | st.sampled_from([to_bytes(STREAM[1:3]), b"data: ", b"\n\n", b"[DONE]"])))
async def test_a_turn_ends_whatever_the_bytes_are(pieces: list[bytes]) -> None:
    await play_bytes(pieces)


@pytest.mark.anyio
async def test_the_stream_as_it_should_be_is_read() -> None:
    played = await play_bytes([to_bytes(STREAM)])
    assert played.parts[0] == TextPart("Hello")
    assert isinstance(played.parts[1], ToolCallPart)
    assert played.parts[1].arguments_text == '{"a":1,"b":2}'
