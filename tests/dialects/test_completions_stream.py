"""The frames of Chat Completions are a pure function of committed events, and the whole answer is their sum."""

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from chatkeep.api.dialects.completions_stream import CompletionEncoder, problem_of, to_completion
from chatkeep.chat.event_log import assign_positions, closing_events, fold, merge
from chatkeep.chat.events import Event, RunFinished
from chatkeep.chat.types import RunEnd
from tests.values import logs, run

REPLIES = st.sampled_from([None, "f", "form"])


def ended(events: Sequence[Event], status: RunEnd) -> list[Event]:
    """Return a log with another end."""
    begun = events[:-1]
    closed = [*begun, *closing_events(fold(begun))]
    message = replace(fold(closed), status=status)
    end = RunFinished(run=run(status=status, finish_reason="stop"), message=message)
    return list(assign_positions([*closed, end], 0))


def frames(events: Sequence[Event], reply: str | None) -> list[dict[str, Any]]:
    """Return what a client reads of a stream."""
    encoder = CompletionEncoder("m", reply, has_usage=True)
    text = b"".join(encoder.encode(event) for event in events).decode()
    assert encoder.is_over
    *found, done, rest = text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [msgspec.json.decode(each.removeprefix("data: ")) for each in found]


def summed(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the message that a client makes of the deltas."""
    message: dict[str, Any] = {}
    for delta in (choice["delta"] for chunk in chunks for choice in chunk["choices"]):
        for name, value in delta.items():
            message[name] = message[name] + value if name in message else value
    if calls := message.get("tool_calls"):
        message["tool_calls"] = [{name: value for name, value in each.items() if name != "index"} for each in calls]
    return {name: value for name, value in message.items() if value}


@given(logs(), st.sampled_from(["completed", "incomplete"]), REPLIES)
def test_the_whole_answer_is_the_sum_of_its_stream(events: list[Event], status: RunEnd, reply: str | None) -> None:
    log = ended(events, status)
    last = log[-1]
    assert isinstance(last, RunFinished)
    chunks = frames(log, reply)
    whole = to_completion(last.run, last.message, "m", 0, reply)
    assert summed(chunks) == {name: value for name, value in whole["choices"][0]["message"].items() if value}
    assert chunks[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert chunks[-1]["usage"] == whole["usage"]
    ChatCompletion.model_validate(whole)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)


@given(logs(), REPLIES)
def test_merged_deltas_make_the_same_answer(events: list[Event], reply: str | None) -> None:
    log = ended(events, "completed")
    assert summed(frames(merge(log), reply)) == summed(frames(log, reply))


def test_only_an_answer_that_can_stand_is_one() -> None:
    assert problem_of(run(status="completed")) is None
    assert problem_of(run(status="incomplete", finish_reason="length")) is None
    for status, reason, code in (
        ("incomplete", "missing", "model_protocol"),
        ("cancelled", None, "cancelled"),
        ("interrupted", None, "interrupted"),
    ):
        problem = problem_of(run(status=status, finish_reason=reason))
        assert problem is not None
        assert problem.code == code
