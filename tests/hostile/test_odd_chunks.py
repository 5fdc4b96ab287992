"""A field beside the answer never decides over it: whatever JSON it holds, the answer is read."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat import event_log
from chatkeep.chat.events import Event, TextDelta, ToolCallDelta, ToolCallStarted
from chatkeep.llm.assembler import Assembler
from chatkeep.llm.chunks import MAX_TOKENS, TokenCounts
from chatkeep.llm.completions.parser import CompletionsParser
from chatkeep.text import clean

SCALARS = (
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
    | st.integers(-(2**70), 2**70) | st.sampled_from([MAX_TOKENS + 1, 2**63, 2**64, -1, "\x00", "7"])
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)


def read(*chunks: Any) -> tuple[Assembler, list[Event]]:
    """Return what a stream of `chunks` says, after it was understood to its end."""
    parser = CompletionsParser()
    body = b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    assembler = Assembler(0, lambda name: "reply" if name == "ping" else None, set())
    events = assembler.read([*parser.feed(body), *parser.finish()])
    events += assembler.finish()
    assert parser.failure is None
    return assembler, list(event_log.merge(event_log.assign_positions(events, 0)))


def chunk(delta: Any = None, finish_reason: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish_reason}], **more}


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ([], None),
        ("", None),
        (0.5, None),
        ({"prompt_tokens": 2**63, "completion_tokens": 1}, TokenCounts(None, 1)),
        ({"prompt_tokens": 10**20, "completion_tokens": 1}, TokenCounts(None, 1)),
        ({"prompt_tokens": -7, "completion_tokens": 1}, TokenCounts(None, 1)),
        ({"prompt_tokens": 9.0, "completion_tokens": "3"}, TokenCounts(9, 3)),
        ({"prompt_tokens": 9.5, "completion_tokens": True}, TokenCounts()),
        ({"prompt_tokens": MAX_TOKENS, "completion_tokens": 0}, TokenCounts(MAX_TOKENS, 0)),
    ],
)
def test_usage_that_cannot_be_read_is_left_out(usage: Any, counts: TokenCounts | None) -> None:
    assembler, events = read(chunk({"content": "Hi"}), chunk(None, "stop"), {"choices": [], "usage": usage})
    assert events == [TextDelta(position=2, index=0, text="Hi")]
    assert (assembler.finish_reason, assembler.tokens) == ("stop", counts)


@given(ANYTHING, ANYTHING, ANYTHING)
def test_the_text_is_read_beside_anything(usage: Any, reason: Any, extra: Any) -> None:
    assembler, events = read(chunk({"content": "Hi", "role": extra, "refusal": 7}, reason, usage=usage, id=extra))
    assert TextDelta(position=2, index=0, text="Hi") in events
    tokens = assembler.tokens or TokenCounts()
    assert all(count is None or 0 <= count <= MAX_TOKENS for count in (tokens.prompt_tokens, tokens.completion_tokens))
    stored = assembler.finish_reason
    assert stored is None or stored == clean(stored)


@given(ANYTHING, st.integers(0, 5) | st.just("0") | st.none())
def test_a_call_is_read_beside_anything(call_id: Any, index: Any) -> None:
    call = {"index": index, "id": call_id, "function": {"name": "ping", "arguments": "{}"}}
    for calls in ([call], call):
        _, events = read(chunk({"tool_calls": calls}), chunk(None, "tool_calls"))
        started, arguments = events
        assert isinstance(started, ToolCallStarted)
        assert started.name == "ping"
        assert isinstance(arguments, ToolCallDelta)
        assert arguments.arguments_text == "{}"


def test_a_number_is_an_id() -> None:
    _, events = read(chunk({"tool_calls": [{"index": 0, "id": 1234, "function": {"name": "ping", "arguments": "{}"}}]}))
    assert isinstance(events[0], ToolCallStarted)
    assert events[0].call_id == "1234"


def test_content_may_be_one_part() -> None:
    _, events = read(chunk({"content": {"type": "text", "text": "Hi"}}))
    assert events == [TextDelta(position=2, index=0, text="Hi")]
