"""From chunks to events: the rules of the module's head as properties. The corpus in `tests/llm` has known dialects."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chatkeep.chat import event_log
from chatkeep.chat.events import Event, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStarted
from chatkeep.chat.types import Kind, ReasoningPart, RefusalPart, StepPart, TextPart, ToolCallPart
from chatkeep.llm.assembler import Assembler
from chatkeep.llm.chunks import CallDelta, Choice, Chunk, FunctionDelta, MessageDelta, TokenCounts
from chatkeep.text import clean
from tests.script import call, say, stop
from tests.turns import folded

KINDS: dict[str, Kind] = {"tell_joke": "reply", "weather": "action"}
ANY = st.text(st.characters(exclude_categories=()), max_size=30) | st.text("ab\n\x00\ud83d\ude00", max_size=6)
"""Text with everything a Python string can hold, lone surrogates too."""
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)

ARGUMENTS: list[Any] = [None, "", "{}", '{"a":', "1}", "\ud83d", "\ude00", "\ud83d\n", "\x00"]
OBJECTS: list[Any] = [{}, {"a": ["\ud83d"]}, {"a": 10**30}, json.loads('{"a":' * 300 + "1" + "}" * 300)]
CONTENTS: list[Any] = [
    *[None, "", "Hello ", "\ud83d", "\ude00", "\ud83d\n", []],
    [7, None, {"type": "text"}, {"type": "text", "text": "x"}, {"type": "text", "text": ""}],
    [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, 7, {}]}],
]
functions = st.builds(
    FunctionDelta,
    st.sampled_from([None, "", "tell_joke", "weather", "x\ud83d"]),
    st.sampled_from([*ARGUMENTS, *OBJECTS]),
)
calls = st.builds(
    CallDelta, st.sampled_from([None, -1, 0, 1, 7]), st.sampled_from([None, "", "a", "b", "no id"]), functions
)
deltas = st.builds(
    MessageDelta,
    st.sampled_from(CONTENTS),
    st.sampled_from([None, None, "No. "]),
    st.sampled_from([None, None, "Hm. ", "\ud83d"]),
    st.sampled_from([None, None, "Hm? ", {"text": "?"}]),
    st.lists(calls, max_size=3) | st.none(),
    functions | st.none() | st.none(),
)
chunks = st.builds(
    Chunk,
    st.lists(st.builds(Choice, deltas | st.none(), st.sampled_from([None, "", "stop", "length"])), max_size=2),
    st.none() | st.builds(TokenCounts, st.none() | st.just(3), st.none() | st.just(4)),
)


@given(st.lists(ANY, max_size=8))
def test_a_text_is_the_same_however_it_is_split(pieces: list[str]) -> None:
    whole = "".join(pieces)
    assume(not whole.lstrip().startswith("<think>"))
    parts = folded(assembled([say(piece) for piece in pieces]))
    assert parts == ((TextPart(clean(whole)),) if whole else ())


@given(STORABLE, st.data())
def test_half_a_character_waits_for_its_other_half(text: str, data: st.DataObject) -> None:
    halves = text.encode("utf-16-le")
    units = [chr(int.from_bytes(halves[place : place + 2], "little")) for place in range(0, len(halves), 2)]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(units)))))
    pieces = ["".join(units[a:b]) for a, b in zip([0, *cuts], [*cuts, len(units)], strict=True)]
    assert folded(assembled([say(piece) for piece in pieces])) == ((TextPart(text),) if text else ())


@given(st.lists(st.lists(ANY, max_size=4), min_size=1, max_size=4), st.booleans(), st.data())
def test_interleaved_calls_keep_their_arguments(pieces: list[list[str]], named: bool, data: st.DataObject) -> None:
    order = data.draw(st.permutations([index for index, some in enumerate(pieces) for _ in some]))
    left = [iter(some) for some in pieces]
    feed = [call("weather", None, index, f"call_{index}" if named else None) for index in range(len(pieces))]
    feed += [call(None, next(left[index]), index) for index in order]
    parts = folded(assembled(feed))
    assert [part.arguments_text for part in parts if isinstance(part, ToolCallPart)] == [
        clean("".join(some)) for some in pieces
    ]


@given(st.lists(st.sampled_from(["{}", '{"a":1}', '{"a":"b c"}']), max_size=6), st.booleans(), st.booleans())
def test_whole_calls_are_kept_apart(arguments: list[str], indexed: bool, identified: bool) -> None:
    feed = [
        call("weather", text, number if indexed else None, f"call_{number}" if identified else None)
        for number, text in enumerate(arguments)
    ]
    parts = folded(assembled(feed))
    assert [part.arguments_text for part in parts if isinstance(part, ToolCallPart)] == arguments


@given(st.lists(chunks, max_size=12))
def test_any_chunks_make_a_log_that_folds(feed: list[Chunk]) -> None:
    assembler = Assembler(0, KINDS.get, set())
    events = assembled(feed, assembler)
    parts = folded(events)
    assert len(parts) == assembler.next_index
    assert all(event_log.position_length(event) > 0 for event in events), "empty deltas do not exist"
    assert not any(isinstance(part, StepPart) for part in parts)
    texts = [part.text for part in parts if isinstance(part, TextPart | ReasoningPart | RefusalPart)]
    call_parts = [part for part in parts if isinstance(part, ToolCallPart)]
    assert len({part.call_id for part in call_parts}) == len(call_parts) == len(assembler.calls)
    assert all(texts), "a part that says nothing is none"
    for text in (*texts, *(text for part in call_parts for text in (part.name, part.arguments_text, part.call_id))):
        assert clean(text) == text


@given(st.lists(chunks, max_size=12))
def test_calls_agree_with_the_parts(feed: list[Chunk]) -> None:
    assembler = Assembler(0, KINDS.get, set())
    parts = folded(assembled(feed, assembler))
    for streamed in assembler.calls:
        assert streamed.index is not None
        assert parts[streamed.index] == ToolCallPart(
            streamed.call_id, streamed.name, KINDS.get(streamed.name), streamed.arguments_text
        )


@given(st.lists(st.builds(CallDelta, st.sampled_from([None, 0, 1]), st.sampled_from([None, "a", "b"]), functions)))
def test_no_arguments_are_lost(pieces: list[CallDelta]) -> None:
    streamed_text: Counter[str] = Counter()
    for piece in pieces:
        if piece.function and isinstance(piece.function.arguments, str):
            piece.function.arguments = clean(piece.function.arguments)
            streamed_text.update(piece.function.arguments)
        elif piece.function:
            piece.function.arguments = None
    events = assembled([Chunk([Choice(MessageDelta(tool_calls=[piece]))]) for piece in pieces])
    assembled_text = Counter("".join(event.arguments_text for event in events if isinstance(event, ToolCallDelta)))
    assert assembled_text == streamed_text


def test_call_ids_of_earlier_steps_are_taken() -> None:
    used_ids = {"call_0"}
    numbers = count(1)
    assembler = Assembler(3, KINDS.get, used_ids, new_id=lambda: f"ours_{next(numbers)}")
    started = assembler.feed(call("weather", "{}", 0, "call_0"))[0]
    assert started == ToolCallStarted(index=3, call_id="ours_1", name="weather", kind="action")
    assert used_ids == {"call_0", "ours_1"}


def test_generated_ids_are_distinct() -> None:
    assembler = Assembler(0, KINDS.get, set())
    assembled([call("weather", "{}", 0), call("weather", "{}", 1)], assembler)
    assert len({streamed.call_id for streamed in assembler.calls} - {""}) == 2


def test_the_first_part_has_the_requested_index() -> None:
    assembler = Assembler(5, KINDS.get, set())
    assert assembler.feed(say("Hello")) == [TextDelta(index=5, text="Hello")]
    assert assembler.next_index == 6


def test_a_text_is_released_at_once() -> None:
    assembler = Assembler(0, KINDS.get, set())
    assert [assembler.feed(say(text)) for text in ("a", "b")] == [
        [TextDelta(index=0, text="a")],
        [TextDelta(index=0, text="b")],
    ]
    assert assembler.finish() == []


def test_a_call_starts_when_its_name_is_known() -> None:
    assembler = Assembler(0, KINDS.get, set())
    assert assembler.feed(call(None, '{"te', 0, "a")) == []
    assert assembler.feed(call("tell_joke", 'xt":', 0)) == [
        ToolCallStarted(index=0, call_id="a", name="tell_joke", kind="reply"),
        ToolCallDelta(index=0, arguments_text='{"te'),
        ToolCallDelta(index=0, arguments_text='xt":'),
    ]


def test_half_a_character_waits_while_the_name_is_not_known() -> None:
    feed = [call(None, '{"a":"\ud83d', 0), call(None, '\ude00"}', 0), call("weather", None, 0)]
    (part,) = folded(assembled(feed))
    assert isinstance(part, ToolCallPart)
    assert part.arguments_text == '{"a":"\U0001f600"}'


def test_half_a_character_is_replaced_when_another_part_follows() -> None:
    feed = [say("a\ud83d"), Chunk([Choice(MessageDelta(reasoning="hm"))]), say("\ude00b")]
    assert assembled(feed) == [
        TextDelta(index=0, text="a"),
        TextDelta(index=0, text="\ufffd"),
        ReasoningDelta(index=1, text="hm"),
        TextDelta(index=2, text="\ufffdb"),
    ]


@pytest.mark.parametrize("first", [0, 1])
def test_text_is_that_of_the_first_choice_with_text(first: int) -> None:
    a, b = Choice(MessageDelta(content="a"), index=first), Choice(MessageDelta(content="b"), index=1 - first)
    for feed in ([Chunk([a, b]), Chunk([a, b])], [Chunk([each]) for each in (a, b, b, a)]):
        assert folded(assembled(feed)) == (TextPart("aa"),)


def test_text_and_call_of_two_choices_are_one_answer() -> None:
    function = FunctionDelta("weather", "{}")
    calls = MessageDelta(tool_calls=[CallDelta(0, "c", function)])
    feed = [
        Chunk([Choice(MessageDelta(), index=0), Choice(MessageDelta(content="Let me see."), index=1)]),
        Chunk([Choice(calls, "tool_calls", index=2)]),
    ]
    text, call_part = folded(assembled(feed))
    assert text == TextPart("Let me see.")
    assert isinstance(call_part, ToolCallPart)
    assert call_part.name == "weather"


def test_a_message_is_read_in_place_of_deltas_not_after_them() -> None:
    whole = Chunk([Choice(MessageDelta(), "stop", message=MessageDelta(content="Hello"))])
    assert folded(assembled([whole])) == (TextPart("Hello"),)
    assert folded(assembled([say("Hel"), say("lo"), whole])) == (TextPart("Hello"),)


@pytest.mark.parametrize("length", [65_536, 65_537, 200_000])
def test_a_delta_has_at_most_64_ki_characters(length: int) -> None:
    function = FunctionDelta("weather", "x" * length)
    early = MessageDelta(tool_calls=[CallDelta(0, "c", FunctionDelta(None, "x" * length))])
    late = MessageDelta(tool_calls=[CallDelta(0, "c", FunctionDelta("weather", ""))])
    for feed in (
        [say("x" * length)],
        [say("x")] * length,
        [Chunk([Choice(MessageDelta(tool_calls=[CallDelta(0, "c", function)]))])],
        [Chunk([Choice(early)]), Chunk([Choice(late)])],
    ):
        assembler = Assembler(0, KINDS.get, set())
        events = [*assembler.read(feed), *assembler.finish()]
        lengths = [event_log.position_length(event) for event in events if not isinstance(event, ToolCallStarted)]
        assert (max(lengths), sum(lengths)) == (65_536, length)


def test_the_last_finish_reason_and_count_are_kept() -> None:
    assembler = Assembler(0, KINDS.get, set())
    assembled([stop("length", (1, 2)), say("!"), stop("stop", (3, 4)), Chunk([])], assembler)
    assert (assembler.finish_reason, assembler.tokens) == ("stop", TokenCounts(3, 4))


@pytest.mark.parametrize("arguments", [{}, {"a": {"b": ["\U0001f414", None, 1.5, 10**30]}}])
def test_arguments_sent_as_an_object_are_its_json(arguments: dict[str, object]) -> None:
    (part,) = folded(assembled([call("weather", arguments)]))
    assert isinstance(part, ToolCallPart)
    assert json.loads(part.arguments_text) == arguments


TOGETHER = [
    [say("a"), say("b"), say(""), say("c")],
    [say("a"), say("\ud83d"), say("\ude00b"), say("\ud83d"), say("c"), stop("stop", (1, 2))],
    [say("a"), call("weather", '{"x":', 0, "call_1"), call(None, "1}", 0), say("b"), say("c"), Chunk([])],
    [
        Chunk([Choice(MessageDelta(reasoning="r"))]),
        say("a"),
        say("b"),
        Chunk([Choice(MessageDelta("c", refusal="no"))]),
    ],
]


@pytest.mark.parametrize("feed", TOGETHER)
def test_chunks_mean_the_same_together_and_one_by_one(feed: list[Chunk]) -> None:
    together, apart = Assembler(0, KINDS.get, set()), Assembler(0, KINDS.get, set())
    events, singly = together.read(feed) + together.finish(), assembled(feed, apart)
    assert event_log.merge(event_log.assign_positions(events, 1)) == event_log.merge(
        event_log.assign_positions(singly, 1)
    )
    assert (together.finish_reason, together.tokens) == (apart.finish_reason, apart.tokens)
    assert len(events) < len(singly)


def assembled(feed: Sequence[Chunk], assembler: Assembler | None = None) -> list[Event]:
    """Return the events of all chunks in `feed`."""
    assembler = assembler or Assembler(0, KINDS.get, set())
    return [event for chunk in feed for event in assembler.feed(chunk)] + assembler.finish()
