"""A corpus of what providers stream over the Responses API: `NAME.sse` is the body, `NAME.json` its content.

Those whose name begins with `odd_` are not as OpenAI's reference has them.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import openai.types.responses as sdk
import pytest
from pydantic import TypeAdapter

from chatkeep.chat.events import TextDelta, ToolCallStarted
from chatkeep.llm.responses.parser import MAX_ITEMS, ResponsesParser
from chatkeep.llm.streamed_call import MAX_CALLS
from tests.llm.corpus import ParsedBody, read_body
from tests.llm.responses.events import Answer, call_item, to_frames

BODIES = sorted(Path(__file__).parent.glob("*.sse"))


@pytest.mark.parametrize(
    "path", [path for path in BODIES if not path.stem.startswith("odd_")], ids=lambda path: path.stem
)
def test_the_corpus_has_the_shapes_of_the_sdk(path: Path) -> None:
    adapter = TypeAdapter[sdk.ResponseStreamEvent](sdk.ResponseStreamEvent)
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("data: "):
            adapter.validate_python(json.loads(line.removeprefix("data: ")))


def test_the_answer_ends_with_the_response() -> None:
    parser = ResponsesParser()
    *frames, last = Answer().say("Hello").end().frames()
    for frame in frames:
        parser.feed(frame)
    assert not parser.done
    parser.feed(last)
    assert (parser.done, parser.failure) == (True, None)


def test_a_failure_after_the_end_is_none() -> None:
    parser = ResponsesParser()
    parser.feed(b"".join(Answer().say("Hello").end().frames()) + b"data: {nonsense}\n\ndata: [DONE]\n\n")
    assert (parser.done, parser.failure) == (True, None)


def test_the_first_of_two_failures_counts() -> None:
    parser = ResponsesParser()
    parser.feed(b'data: {"type":"error","code":"rate_limit_exceeded","message":"slow down"}\n\ndata: {nonsense}\n\n')
    assert parser.failure is not None
    assert (parser.failure.code, str(parser.failure)) == ("model_rate_limited", "slow down")


def test_the_key_is_in_no_failure() -> None:
    parser = ResponsesParser("open-sesame-42")
    parser.feed(b'data: {"type":"error","message":"no such key: open-sesame-42"}\n\n')
    assert str(parser.failure) == "no such key: ***"


@pytest.mark.parametrize("depth", [500, 200_000])
def test_deeply_nested_json_is_an_error_or_skipped(depth: int) -> None:
    parser = ResponsesParser()
    parser.feed(b'data: {"type":"response.new","deep":' + b"[" * depth + b"]" * depth + b"}\n\n")
    assert parser.failure is None or parser.failure.code == "model_protocol"


def test_endless_items_are_limited() -> None:
    answer = Answer()
    for at in range(MAX_ITEMS + 10):
        answer.add("response.output_text.delta", output_index=at, delta="x")
        answer.add("response.output_item.added", output_index=at, item=call_item(f"fc_{at}", f"call_{at}", "f", ""))
    parts = [{"type": "output_text", "text": "again"}]
    answer.add("response.output_item.done", output_index=-1, item={"type": "message", "content": parts})
    parsed = read(to_frames(answer.events))
    assert sum(isinstance(event, ToolCallStarted) for event in parsed.events) == MAX_CALLS + 1
    assert "again" not in "".join(event.text for event in parsed.events if isinstance(event, TextDelta))


def read(pieces: Iterable[bytes]) -> ParsedBody:
    return read_body(pieces, ResponsesParser)
