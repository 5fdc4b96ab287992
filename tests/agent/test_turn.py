"""A turn with a scripted model: how it ends, when it takes another step, and its counts."""

import asyncio
from typing import Any

import msgspec
import pytest

from chatkeep.agent.ephemeral import EventCollector
from chatkeep.agent.turn import MAX_CORRECTIONS, MAX_STEPS, Turn
from chatkeep.chat.events import Event, StepStarted, TextDelta, ToolCallFinished, ToolCallReady
from chatkeep.chat.types import StepPart, TextPart, ToolCallPart, Usage
from chatkeep.errors import ContextOverflow, ModelRejected, ModelTimeout, ModelUnavailable
from chatkeep.llm import Prompt, ignore_retry
from chatkeep.tools.declaration import declared_tools
from tests.script import Line, Script, call, say, stop
from tests.turns import PlayedTurn, answer, play, turn_input, user

pytestmark = pytest.mark.anyio

JOKE = '{"text":"To get across."}'
TOLD: list[Line] = [call("tell_joke", JOKE, 0, "good"), stop("tool_calls", (20, 6))]
WRONG: list[Line] = [call("detect_sarcasm", '{"quote":"x","score":12}', 0, "bad"), stop("tool_calls", (10, 5))]


def outcome(played: PlayedTurn, call_id: str) -> tuple[str, str | None]:
    """Return a call's state and its error's code."""
    part = find_call(played, call_id)
    return part.state, part.error.code if part.error else None


def find_call(played: PlayedTurn, call_id: str) -> ToolCallPart:
    return next(part for part in played.parts if isinstance(part, ToolCallPart) and part.call_id == call_id)


def tool_messages(script: Script) -> list[dict[str, Any]]:
    """Return the tool messages of the last prompt."""
    return [message for message in script.prompts[-1].messages if message["role"] == "tool"]


async def test_a_plain_answer_completes_the_turn() -> None:
    script = Script([say("To get "), say("across."), stop(tokens=(12, 4))])
    played = await play(script, turn_input("why?"))
    assert played.ending == ("completed", "stop")
    assert played.parts == (TextPart("To get across."),)
    assert played.turn.usage == Usage(12, 4)
    assert len(script.prompts) == 1


async def test_the_prompt_holds_the_whole_turn_input() -> None:
    script = Script([say("Hello"), stop()])
    await play(script, turn_input("c?", [user("a?"), answer(TextPart("b."))], params={"temperature": 0.5}, model="big"))
    assert [prompt._replace(on_retry=ignore_retry) for prompt in script.prompts] == [
        Prompt(
            "big",
            [
                {"role": "system", "content": "You are a test."},
                {"role": "user", "content": "a?"},
                {"role": "assistant", "content": "b."},
                {"role": "user", "content": "c?"},
            ],
            [function.definition for function in declared_tools().values()],
            {"temperature": 0.5},
        )
    ]


async def test_events_come_while_the_model_streams() -> None:
    batches: list[list[Event]] = []

    async def take(events: list[Event]) -> None:
        batches.append(events)

    await Turn(Script([say("a"), [say("b"), say("c")], stop()]), turn_input("why?")).run(
        take, EventCollector(answer()).load_message
    )
    assert batches == [[TextDelta(index=0, text="a")], [TextDelta(index=0, text="bc")]]


async def test_a_valid_reply_completes_the_turn_in_one_step() -> None:
    script = Script(TOLD)
    played = await play(script, turn_input("joke!"))
    assert played.ending == ("completed", "tool_calls")
    assert played.events[-2:] == [
        ToolCallReady(index=0, arguments={"text": "To get across."}),
        ToolCallFinished(index=0, state="succeeded", output={"text": "To get across."}),
    ]
    assert len(script.prompts) == 1


async def test_a_reply_after_text_completes_the_turn_too() -> None:
    played = await play(Script([say("Here: "), *TOLD]), turn_input("joke!"))
    assert played.ending == ("completed", "tool_calls")
    assert [type(part) for part in played.parts] == [TextPart, ToolCallPart]


async def test_the_model_corrects_invalid_arguments() -> None:
    script = Script(WRONG, TOLD)
    played = await play(script, turn_input("sarcastic?"))
    assert played.ending == ("completed", "tool_calls")
    assert outcome(played, "bad") == ("failed", "invalid_arguments")
    assert outcome(played, "good") == ("succeeded", None)
    call_message, error = script.prompts[1].messages[-2:]
    assert call_message["tool_calls"][0]["function"]["arguments"] == '{"quote":"x","score":12}'
    assert error["tool_call_id"] == "bad"
    assert error["content"].startswith("Error (invalid_arguments): score: ")


@pytest.mark.parametrize("arguments", ["{", "[1]", "7", '{"text":"a"}{"text":"b"}', "{}", ""])
async def test_arguments_that_are_no_object_are_replayed_as_empty(arguments: str) -> None:
    script = Script([call("tell_joke", arguments, 0, "bad"), stop("tool_calls")], TOLD)
    played = await play(script, turn_input("joke!"))
    assert outcome(played, "bad") == ("failed", "invalid_arguments")
    assert find_call(played, "bad").arguments_text == arguments
    assert script.prompts[1].messages[-2]["tool_calls"][0]["function"]["arguments"] == "{}"


async def test_the_model_learns_that_a_function_is_unknown() -> None:
    script = Script([call("sing", "{}", 0, "bad"), stop("tool_calls")], TOLD)
    played = await play(script, turn_input("sing!"))
    assert outcome(played, "bad") == ("failed", "unknown_function")
    assert find_call(played, "bad").kind is None
    assert "'sing'" in tool_messages(script)[0]["content"]
    assert "tell_joke" in tool_messages(script)[0]["content"]
    assert played.ending == ("completed", "tool_calls")


async def test_without_functions_every_function_is_unknown() -> None:
    script = Script(TOLD, [say("Sorry."), stop()])
    played = await play(script, turn_input("joke!", tools={}))
    assert outcome(played, "good") == ("failed", "unknown_function")
    assert played.ending == ("completed", "stop")
    assert script.prompts[0].tools == []


async def test_after_two_corrections_the_failed_call_stands() -> None:
    """With replies only, there are 1 + MAX_CORRECTIONS steps: valid ones end the turn, others are corrected."""
    script = Script(*[WRONG] * 10)
    played = await play(script, turn_input("sarcastic?"))
    assert played.ending == ("completed", "tool_calls")
    assert played.failure is None
    assert len(script.prompts) == 1 + MAX_CORRECTIONS < MAX_STEPS
    calls = [part for part in played.parts if isinstance(part, ToolCallPart)]
    assert [part.state for part in calls] == ["failed"] * 3
    assert len({part.call_id for part in calls}) == 3, "the provider's id is unique within the run"


async def test_one_invalid_call_beside_a_valid_one_is_corrected() -> None:
    both: list[Line] = [call("tell_joke", JOKE, 0, "a"), call("tell_joke", '{"text":7}', 1, "b"), stop("tool_calls")]
    script = Script(both, TOLD)
    played = await play(script, turn_input("two jokes!"))
    assert outcome(played, "a") == ("succeeded", None)
    assert outcome(played, "b") == ("failed", "invalid_arguments")
    assert [message["content"].partition(":")[0] for message in tool_messages(script)] == [
        "Shown to the user.",
        "Error (invalid_arguments)",
    ]
    assert len(script.prompts) == 2


async def test_two_valid_replies_complete_the_turn() -> None:
    script = Script([call("tell_joke", JOKE, 0, "a"), call("tell_joke", JOKE, 1, "b"), stop("tool_calls")])
    played = await play(script, turn_input("two jokes!"))
    assert played.ending == ("completed", "tool_calls")
    assert [outcome(played, call_id)[0] for call_id in "ab"] == ["succeeded", "succeeded"]
    assert len(script.prompts) == 1


async def test_a_step_begins_where_the_parts_before_it_end() -> None:
    script = Script([say("Hm. "), *WRONG], WRONG, [say("I give up."), stop()])
    played = await play(script, turn_input("sarcastic?"))
    assert [event.index for event in played.events if isinstance(event, StepStarted)] == [2, 4]
    assert [type(part) for part in played.parts] == [TextPart, ToolCallPart, StepPart, ToolCallPart, StepPart, TextPart]


async def test_a_call_cut_by_length_fails_and_is_not_corrected() -> None:
    script = Script([say("Here: "), call("tell_joke", '{"text":"To g', 0, "cut"), stop("length")])
    played = await play(script, turn_input("joke!"))
    assert played.ending == ("incomplete", "length")
    assert outcome(played, "cut") == ("failed", "invalid_arguments")
    assert len(script.prompts) == 1


async def test_a_call_that_was_whole_before_the_cut_succeeds() -> None:
    script = Script([call("tell_joke", JOKE, 0, "good"), say("And "), stop("length")])
    played = await play(script, turn_input("joke!"))
    assert played.ending == ("incomplete", "length")
    assert outcome(played, "good") == ("succeeded", None)


CUT = [
    *["length", "content_filter", "MAX_TOKENS", "max_tokens", "model_length", "SAFETY", "RECITATION", "error"],
    *["model_context_window_exceeded", "pause_turn", "abort", "MALFORMED_FUNCTION_CALL", "stopped early", "unknown"],
]


@pytest.mark.parametrize("reason", CUT)
async def test_an_answer_that_was_cut_is_incomplete(reason: str) -> None:
    played = await play(Script([say("Well, "), stop(reason)]), turn_input("joke!"))
    assert played.ending == ("incomplete", reason)
    assert played.parts == (TextPart("Well, "),)


@pytest.mark.parametrize("reason", ["stop", "STOP", "end_turn", "eos", "COMPLETE", "FINISH_REASON_STOP", "tool-calls"])
async def test_a_good_end_is_completed_in_any_spelling(reason: str) -> None:
    assert (await play(Script([say("Well."), stop(reason)]), turn_input("?"))).ending == ("completed", reason)


async def test_an_unfinished_answer_is_incomplete_with_its_calls_open() -> None:
    script = Script([say("Here: "), call("tell_joke", JOKE, 0, "a"), call("tell_joke", '{"te', 1, "b")])
    played = await play(script, turn_input("joke!"))
    assert played.ending == ("incomplete", "missing")
    assert [outcome(played, call_id)[0] for call_id in "ab"] == ["streaming", "streaming"]
    assert len(script.prompts) == 1


async def test_text_held_back_is_released_at_the_end() -> None:
    played = await play(Script([say("a\ud83d"), call(None, "{}", 0, "nameless"), stop("length")]), turn_input("?"))
    assert played.parts[0] == TextPart("a\ufffd")
    assert outcome(played, "nameless") == ("failed", "unknown_function")


async def test_usage_is_the_sum_of_all_steps() -> None:
    played = await play(Script(WRONG, TOLD), turn_input("sarcastic?"))
    assert played.turn.usage == Usage(30, 11)


@pytest.mark.parametrize("tokens", [None, (0, 0), (0, 25)])
async def test_a_step_that_reports_no_usage_is_estimated(tokens: tuple[int, int] | None) -> None:
    script = Script(WRONG, [say("x" * 400), stop(tokens=tokens)])
    played = await play(script, turn_input("sarcastic?"))
    assert played.turn.usage == Usage(10 + round(size(script.prompts[1]) / 4), 5 + 100, estimated=True)


async def test_the_estimate_uses_the_model_s_known_token_size() -> None:
    script = Script([say("x" * 400), stop()])
    played = await play(script, turn_input("why?", bytes_per_token=2.0))
    assert played.turn.usage == Usage(round(size(script.prompts[0]) / 2), 200, estimated=True)


async def test_the_bytes_of_all_prompts_are_counted() -> None:
    script = Script(WRONG, TOLD)
    played = await play(script, turn_input("sarcastic?"))
    assert played.turn.input_bytes == sum(map(size, script.prompts))


@pytest.mark.parametrize("failure", [ModelUnavailable("died"), ModelTimeout("slow"), ModelRejected("no")])
async def test_a_model_that_fails_in_mid_stream_fails_the_turn(failure: Exception) -> None:
    script = Script([say("x" * 40), failure])
    played = await play(script, turn_input("why?"))
    assert played.failure is failure
    assert played.ending is None
    assert played.parts == (TextPart("x" * 40),)
    assert played.turn.usage == Usage(round(size(script.prompts[0]) / 4), 10, estimated=True)


async def test_a_failure_in_a_later_step_keeps_the_usage_before_it() -> None:
    script = Script(WRONG, [say("x" * 40), ModelUnavailable("died")])
    played = await play(script, turn_input("why?"))
    assert played.turn.usage == Usage(10 + round(size(script.prompts[1]) / 4), 5 + 10, estimated=True)
    assert outcome(played, "bad") == ("failed", "invalid_arguments")


async def test_a_message_that_does_not_fit_is_never_sent() -> None:
    script = Script()
    played = await play(script, turn_input("x" * 5_000, context_tokens=1_000))
    assert isinstance(played.failure, ContextOverflow)
    assert played.turn.usage == Usage()
    assert script.prompts == []


async def test_a_long_answer_is_whole_in_the_next_prompt() -> None:
    words = [f"word {number} " for number in range(1_000)]
    script = Script([*map(say, words), *WRONG], TOLD)
    played = await play(script, turn_input("sarcastic?"))
    assert played.parts[0] == TextPart("".join(words))
    assert script.prompts[1].messages[-2]["content"] == "".join(words)


async def test_closing_a_turn_stops_the_model() -> None:
    script = Script([say("a"), say("b"), stop()])
    taking = asyncio.Event()

    async def take(events: list[Event]) -> None:
        del events
        taking.set()
        await asyncio.Event().wait()

    turn = asyncio.create_task(Turn(script, turn_input("why?")).run(take, EventCollector(answer()).load_message))
    await taking.wait()
    assert script.closed == 0
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert script.closed == 1


def size(prompt: Prompt) -> int:
    """Return the size of a prompt in bytes, functions included."""
    return len(msgspec.json.encode(prompt.messages)) + len(msgspec.json.encode(prompt.tools))
