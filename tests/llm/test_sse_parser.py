"""The frames of an event stream: when they are complete, and what is no stream. The corpora are in `test_corpus.py`."""

from collections.abc import Sequence

import pytest

from chatkeep.llm.chunks import Chunk
from chatkeep.llm.completions.parser import CompletionsParser
from chatkeep.llm.sse_parser import MAX_FRAME_BYTES

HELLO = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'


def test_an_event_is_returned_with_its_blank_line() -> None:
    parser = CompletionsParser()
    assert parser.feed(HELLO[:-1]) == []
    assert contents(parser.feed(HELLO[-1:])) == ["Hello"]
    assert contents(parser.feed(HELLO + HELLO + HELLO[:20])) == ["Hello", "Hello"]


def test_many_lines_of_a_large_event_are_looked_at_once() -> None:
    parser = CompletionsParser()
    assert not any(parser.feed(b": a comment\n") for _ in range(500_000))  # a copy of all for each takes minutes
    assert contents(parser.feed(b"\n" + HELLO)) == ["Hello"]


def test_a_large_event_in_reads_that_might_end_it_is_refused() -> None:
    parser = CompletionsParser()
    parser.feed(b"data: " + b"x" * 10_000_000)
    reads = 0
    while parser.failure is None:
        parser.feed(b"\rx")
        reads += 1
    assert reads < 200


def test_done_is_recognised_with_its_event() -> None:
    parser = CompletionsParser()
    parser.feed(HELLO + b"data: [DONE]\n")
    assert not parser.done
    parser.feed(b"\n")
    assert parser.done
    assert parser.failure is None


def test_chunks_before_a_failure_are_returned() -> None:
    parser = CompletionsParser()
    assert contents(parser.feed(HELLO + b"data: {nonsense}\n\n" + HELLO)) == ["Hello"]
    assert parser.failure is not None
    assert parser.failure.code == "model_protocol"


def test_the_first_of_two_failures_counts() -> None:
    parser = CompletionsParser()
    parser.feed(b'data: {"error":{"type":"rate_limit_error","message":"slow down"}}\n\ndata: {nonsense}\n\n')
    assert parser.failure is not None
    assert (parser.failure.code, str(parser.failure)) == ("model_rate_limited", "slow down")


def test_an_endless_event_is_not_buffered_for_ever() -> None:
    parser = CompletionsParser()
    parser.feed(b"data: ")
    for _ in range(4):
        assert parser.failure is None
        parser.feed(b"x" * (MAX_FRAME_BYTES // 4))
    assert parser.failure is not None
    assert parser.failure.code == "model_protocol"


@pytest.mark.parametrize("depth", [500, 5_000, 200_000])
def test_deeply_nested_json_is_an_error_or_skipped(depth: int) -> None:
    parser = CompletionsParser()
    deep = b"[" * depth + b"]" * depth
    chunks = parser.feed(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}],"deep":' + deep + b"}\n\n")
    assert contents(chunks) == ["Hi"] or (parser.failure is not None and parser.failure.code == "model_protocol")


def test_a_body_of_comments_alone_has_no_chunks() -> None:
    parser = CompletionsParser()
    assert parser.feed(b": ping\n\n: ping\n\n") == []
    assert parser.finish() == []


def contents(chunks: Sequence[Chunk]) -> list[object]:
    return [choice.delta.content for chunk in chunks for choice in chunk.choices or () if choice.delta]
