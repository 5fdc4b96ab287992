"""A model that fails hands its answer over: the next one goes on from the text that is committed."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatkeep.agent.context_window import CONTINUE_REQUEST, Recipient, to_chat_messages
from chatkeep.chat.texts import join_texts
from chatkeep.chat.types import HandoverPart, Part, ReasoningPart, RefusalPart, TextPart, ToolCallPart
from chatkeep.errors import ContextOverflow, ModelAuth, ModelRejected, ModelUnavailable
from chatkeep.llm import ModelInfo, Prompt
from chatkeep.llm.chunks import CallDelta, Choice, Chunk, FunctionDelta, MessageDelta
from chatkeep.llm.completions.parser import CompletionsParser
from tests.functions import TOOLS
from tests.script import Line, Script, call, say, stop, think
from tests.turns import PlayedTurn, answer, play, turn_input, user

pytestmark = pytest.mark.anyio

DEAD = ModelUnavailable("the connection broke")
SEAM = HandoverPart("m", "second", "model_unavailable")
CUTS = int(os.environ.get("FAILOVER_CUTS", "12"))
"""The most places where a body is cut; 100,000 is after every byte."""
BODIES = {path.stem: path.read_bytes() for path in sorted((Path(__file__).parents[1] / "llm").glob("*.sse"))}


class Chain(Script):
    """The model `m` with fallbacks. `infos` describes those that are not as usual."""

    def __init__(
        self, *scenes: Sequence[Line], fallbacks: Sequence[str] = ("second",), **infos: dict[str, Any]
    ) -> None:
        super().__init__(*scenes)
        self._infos: Mapping[str, dict[str, Any]] = {"m": {"fallbacks": fallbacks}, **infos}

    def describe(self, requested: str) -> ModelInfo:
        if requested == "unreadable":
            raise ModelAuth("its key cannot be read")
        return ModelInfo(f"provider-{requested}", requested)._replace(**self._infos.get(requested, {}))

    @property
    def asked(self) -> list[str]:
        """The models that were asked, in their order."""
        return [prompt.model for prompt in self.prompts]


async def test_the_next_model_goes_on_within_a_word() -> None:
    model = Chain([say("To get to the oth"), DEAD], [say("er side."), stop()])
    played = await play(model, turn_input("Why?"))
    assert played.ending == ("completed", "stop")
    assert played.parts == (TextPart("To get to the oth"), SEAM, TextPart("er side."))
    assert join_texts(played.parts, "\n\n") == "To get to the other side."
    assert model.asked == ["m", "second"]
    assert model.prompts[1].messages[-2:] == [
        {"role": "assistant", "content": "To get to the oth"},
        {"role": "user", "content": CONTINUE_REQUEST},
    ]


async def test_before_the_first_event_it_is_silent() -> None:
    model = Chain([DEAD], [say("Because."), stop()])
    played = await play(model, turn_input("Why?"))
    assert (played.ending, played.parts) == (("completed", "stop"), (TextPart("Because."),))
    assert model.prompts[1].messages == model.prompts[0].messages
    assert played.turn.usage.input_tokens > 0


async def test_without_a_fallback_the_turn_fails() -> None:
    played = await play(Chain([say("To get"), DEAD], fallbacks=()), turn_input("Why?"))
    assert (played.failure, played.parts) == (DEAD, (TextPart("To get"),))


async def test_each_model_is_asked_once() -> None:
    model = Chain([say("a"), DEAD], [say("b"), DEAD], [say("c"), DEAD], fallbacks=("second", "unreadable", "third"))
    played = await play(model, turn_input("Why?"))
    assert (played.failure, model.asked) == (DEAD, ["m", "second", "third"])
    assert join_texts(played.parts, "\n\n") == "abc"


@pytest.mark.parametrize("failure", [ModelRejected("no"), ContextOverflow("too long"), ModelAuth("wrong key")])
async def test_another_model_may_answer_what_one_refuses(failure: Exception) -> None:
    played = await play(Chain([failure], [say("Because."), stop()]), turn_input("Why?"))
    assert played.parts == (TextPart("Because."),)


async def test_a_failing_provider_is_passed_over() -> None:
    model = Chain([say("Because."), stop()], m={"is_failing": True, "fallbacks": ["second"]})
    await play(model, turn_input("Why?"))
    assert model.asked == ["second"]


async def test_the_last_model_is_asked_even_if_it_is_failing() -> None:
    failing = {"is_failing": True}
    model = Chain(
        [say("Because."), stop()], m={"fallbacks": ["second", "third"], **failing}, second=failing, third=failing
    )
    await play(model, turn_input("Why?"))
    assert model.asked == ["third"]
    alone = Chain([say("Because."), stop()], m=failing)
    await play(alone, turn_input("Why?"))
    assert alone.asked == ["m"]


async def test_an_answer_without_a_finish_reason_was_cut() -> None:
    played = await play(Chain([say("To get")], [say(" there."), stop()]), turn_input("Why?"))
    assert (played.ending, join_texts(played.parts, " ")) == (("completed", "stop"), "To get there.")


async def test_a_failure_after_the_finish_reason_costs_nothing() -> None:
    model = Chain([say("Because."), stop(), DEAD], [say("no"), stop()])
    played = await play(model, turn_input("Why?"))
    assert (played.ending, played.parts) == (("completed", "stop"), (TextPart("Because."),))


async def test_calls_that_had_begun_are_cancelled_and_not_sent_on() -> None:
    model = Chain(
        [say("Let me see"), call("weather", '{"ci', call_id="a"), DEAD],
        [say("."), call("weather", '{"city":"Oslo"}', call_id="a"), stop("tool_calls")],
        [say("It rains."), stop()],
    )
    played = await play(model, turn_input("Weather?", tools=TOOLS))
    assert played.ending == ("completed", "stop")
    first, second = (part for part in played.parts if isinstance(part, ToolCallPart))
    assert (first.state, second.state) == ("cancelled", "succeeded")
    assert first.call_id != second.call_id
    assert model.prompts[1].messages[-2] == {"role": "assistant", "content": "Let me see"}
    (sent,) = [each for each in model.prompts[2].messages if each.get("tool_calls")]
    assert (sent["content"], [each["id"] for each in sent["tool_calls"]]) == ("Let me see.", [second.call_id])
    assert model.asked == ["m", "second", "second"]


async def test_functions_that_ran_are_not_run_again() -> None:
    model = Chain(
        [call("weather", '{"city":"Oslo"}', call_id="a"), stop("tool_calls")],
        [say("It r"), DEAD],
        [say("ains."), stop()],
    )
    played = await play(model, turn_input("Weather?", tools=TOOLS))
    assert sum(isinstance(part, ToolCallPart) for part in played.parts) == 1
    assert [each["role"] for each in model.prompts[2].messages[-4:]] == ["assistant", "tool", "assistant", "user"]
    assert join_texts(played.parts, "\n\n") == "It rains."


async def test_the_first_model_s_state_is_not_sent_to_another() -> None:
    signed = Chunk(
        [Choice(MessageDelta(tool_calls=[CallDelta(0, "c", FunctionDelta("weather", '{"city":"Oslo"}'), {"s": 1})]))]
    )
    model = Chain([think("Hm."), signed, stop("tool_calls")], [think("So"), DEAD], [say("It rains."), stop()])
    played = await play(model, turn_input("Weather?", tools=TOOLS))
    assert "extra_content" in str(model.prompts[1].messages)
    assert "extra_content" not in str(model.prompts[2].messages)
    assert "Hm." not in str(model.prompts[2].messages)
    assert to_chat_messages(answer(*played.parts), Recipient("provider-second", "second"))[-1]["content"] == "It rains."


async def test_the_second_model_s_reasoning_is_its_own() -> None:
    model = Chain(
        [think("first's"), DEAD],
        [think("second's"), call("weather", '{"city":"Oslo"}', call_id="a"), stop("tool_calls")],
        [say("It rains."), stop()],
    )
    await play(model, turn_input("Weather?", tools=TOOLS))
    (sent,) = [each for each in model.prompts[2].messages if each.get("tool_calls")]
    assert sent["reasoning_content"] == "second's"


@pytest.mark.parametrize(
    ("continuation", "text"),
    [
        (["To get to", " the other side."], "To get to the other side."),
        (["T", "o", " get to the other side."], "To get to the other side."),
        ([" the other side."], "To get to the other side."),
        (["To be sure"], "To get toTo be sure"),
        (["To get"], "To get toTo get"),
        (["To get to"], "To get to"),
    ],
)
async def test_only_a_whole_repetition_is_left_out(continuation: Sequence[str], text: str) -> None:
    model = Chain([say("To get to"), DEAD], [*map(say, continuation), stop()])
    played = await play(model, turn_input("Why?"))
    assert join_texts(played.parts, "\n\n") == text


@pytest.mark.parametrize(
    ("prefill", "field", "params"),
    [
        ("assistant", {}, {}),
        ("prefix", {"prefix": True}, {}),
        ("partial", {"partial": True}, {}),
        ("continue_final_message", {}, {"continue_final_message": True, "add_generation_prompt": False}),
    ],
)
async def test_after_a_prefill_nothing_is_left_out(prefill: str, field: dict[str, Any], params: dict[str, Any]) -> None:
    model = Chain([say("no, "), DEAD], [say("no, "), say("never"), stop()], second={"prefill": prefill})
    played = await play(model, turn_input("Why?"))
    assert join_texts(played.parts, "\n\n") == "no, no, never"
    assert model.prompts[1].messages[-1] == {"role": "assistant", "content": "no, ", **field}
    assert model.prompts[1].params == params


async def test_the_tokens_of_both_are_counted() -> None:
    model = Chain([say("To get to the oth"), DEAD], [say("er side."), stop(tokens=(100, 7))])
    usage = (await play(model, turn_input("Why?"))).turn.usage
    alone = (await play(Chain([say("er side."), stop(tokens=(100, 7))]), turn_input("Why?"))).turn.usage
    assert (alone.input_tokens, alone.output_tokens, alone.estimated) == (100, 7, False)
    assert usage.input_tokens > 100
    assert usage.output_tokens > 7
    assert usage.estimated


async def test_after_a_wait_the_second_model_goes_on() -> None:
    model = Chain([say("And so it was."), stop()])
    parts: list[Part] = [TextPart("Hm"), SEAM, ToolCallPart("a", "ask_user", "client", "{}", {}, "succeeded", "yes")]
    await play(model, turn_input("Why?", tools=TOOLS, message=answer(*parts)))
    assert model.asked == ["second"]


async def test_a_later_turn_reads_the_two_halves_as_one() -> None:
    model = Chain([say("Bye."), stop()])
    earlier = [user("Why?"), answer(TextPart("To get to the oth"), SEAM, TextPart("er side."))]
    await play(model, turn_input("Bye!", earlier))
    assert model.prompts[0].messages[2] == {"role": "assistant", "content": "To get to the other side."}


class CutBody(Chain):
    """The first model sends a recorded body, and breaks off after `size` bytes. The second one says `…`."""

    def __init__(self, body: bytes, size: int, fallbacks: Sequence[str]) -> None:
        super().__init__(fallbacks=fallbacks)
        self._body, self._size = body, size

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        self.prompts.append(prompt)
        if prompt.model == "second":
            yield [say("…"), stop()]
            return
        parser = CompletionsParser()
        yield parser.feed(self._body[: self._size])
        raise parser.failure or DEAD


def all_texts(parts: Sequence[Part]) -> tuple[str, str, list[str]]:
    """Return the text, the reasoning and the arguments of an answer."""
    visible = "".join(part.text for part in parts if isinstance(part, TextPart | RefusalPart))
    reasoning = "".join(part.text for part in parts if isinstance(part, ReasoningPart))
    return visible, reasoning, [part.arguments_text for part in parts if isinstance(part, ToolCallPart)]


async def cut(body: bytes, size: int, fallbacks: Sequence[str]) -> PlayedTurn:
    return await play(CutBody(body, size, fallbacks), turn_input("Why?", tools={}))


@pytest.mark.parametrize("name", BODIES)
async def test_nothing_is_lost_or_doubled_wherever_it_is_cut(name: str) -> None:
    body = BODIES[name]
    for size in range(0, len(body), len(body) // CUTS + 1):
        alone, together = await cut(body, size, ()), await cut(body, size, ["second"])
        text, reasoning, arguments = all_texts(alone.parts)
        if alone.failure is None:  # it had come to its end
            assert all_texts(together.parts) == (text, reasoning, arguments)
        else:
            assert all_texts(together.parts) == (text + "…", reasoning, arguments)
            assert together.ending == ("completed", "stop")
            assert bool(alone.parts) == any(isinstance(part, HandoverPart) for part in together.parts)
