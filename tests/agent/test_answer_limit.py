"""The limit of an answer's length: where it is cut, and what becomes of its calls."""

import pytest

from chatkeep.chat.types import StepPart, TextPart, ToolCallPart
from tests.script import Line, Script, call, say, stop
from tests.turns import answer, play, turn_input

pytestmark = pytest.mark.anyio

CALL: list[Line] = [call("add", '{"a":1,"b":2}', 0, "c"), stop("tool_calls")]


@pytest.mark.parametrize(
    ("limit", "text"),
    [(1, "H"), (5, "Hello"), (6, "Hello "), (8, "Hello "), (9, "Hello \u20ac"), (10, "Hello \u20ac!")],
)
async def test_a_long_answer_is_cut_between_characters(limit: int, text: str) -> None:
    script = Script([say("Hello "), say("\u20ac"), say("!"), say(" And more."), stop()])
    played = await play(script, turn_input("?", max_answer_bytes=limit))
    assert played.parts == (TextPart(text),)
    assert (played.ending, played.turn.usage.estimated) == (("incomplete", "length"), True)


async def test_an_answer_that_just_fits_is_whole() -> None:
    played = await play(Script([say("Hello"), stop()]), turn_input("?", max_answer_bytes=5))
    assert (played.parts, played.ending) == ((TextPart("Hello"),), ("completed", "stop"))


async def test_a_model_that_does_not_stop_is_stopped() -> None:
    script = Script([say("x" * 1_000)] * 100_000)
    played = await play(script, turn_input("?", max_answer_bytes=10_500))
    assert played.parts == (TextPart("x" * 10_500),)


@pytest.mark.parametrize("limit", range(1, 30))
async def test_calls_of_an_answer_that_is_cut_do_not_run(limit: int) -> None:
    script = Script([say("Let me see. "), *CALL[:-1], call("add", '{"a":1,"b":2}', 1, "d"), stop("tool_calls")])
    played = await play(script, turn_input("?", max_answer_bytes=limit))
    calls = [part for part in played.parts if isinstance(part, ToolCallPart)]
    assert played.ending == ("incomplete", "length")
    assert all(part.state == "streaming" for part in calls)  # closed where the run ends


async def test_arguments_that_wait_for_a_name_are_cut_too() -> None:
    script = Script([call(None, "x" * 1_000), stop("tool_calls")])
    played = await play(script, turn_input("?", max_answer_bytes=100))
    assert played.ending == ("incomplete", "length")
    assert [part.arguments_text for part in played.parts if isinstance(part, ToolCallPart)] == ["x" * 100]


async def test_a_call_that_never_gets_a_name_is_not_endless() -> None:
    script = Script([call(None, "x" * 1_000)] * 100_000)
    played = await play(script, turn_input("?", max_answer_bytes=100_000))
    assert played.ending == ("incomplete", "length")


async def test_the_limit_counts_all_steps_and_those_before_a_wait() -> None:
    script = Script([say("And "), stop()])
    before = answer(TextPart("12345"), StepPart(), TextPart("67890"))
    played = await play(script, turn_input("?", message=before, max_answer_bytes=12))
    assert played.parts[-1] == TextPart("An")
