"""The practice model keeps the promises of its `HELP`, each through a whole turn."""

import json
import re
from typing import Any

import pytest

from chatkeep import errors
from chatkeep.arguments import InvalidArguments
from chatkeep.context import fit
from chatkeep.errors import TurnFailed
from chatkeep.llm import Prompt
from chatkeep.llm.practice import HELP, Practice
from chatkeep.tools import declared
from chatkeep.types import CallError, Message, ReasoningPart, StepPart, TextPart, ToolCallPart
from tests.turns import Played, answer, given, play, user

pytestmark = pytest.mark.anyio

FAILURES: list[type[TurnFailed]] = TurnFailed.__subclasses__()


async def ask(text: str, **more: Any) -> Played:
    """A turn that the practice model answers at once."""
    return await play(Practice(pace=0), given(text, **more))


def reply(played: Played) -> tuple[str, Any]:
    """The one call of a turn that succeeded, and what it shows."""
    (call,) = (part for part in played.parts if isinstance(part, ToolCallPart) and part.state == "succeeded")
    return call.name, call.output


async def test_it_says_what_it_is_and_how_to_connect_a_real_one() -> None:
    played = await ask("Good morning!")
    assert played.ending == ("completed", "stop")
    assert played.parts == (TextPart(HELP),)
    assert "practice model" in HELP
    assert "OPENAI_API_KEY" in HELP
    assert "OPENAI_BASE_URL" in HELP


@pytest.mark.parametrize("wanted", ["gpt-5-mini", "practice", ""])
def test_its_name_is_always_practice(wanted: str) -> None:
    assert Practice().name(wanted) == "practice"


def test_help_offers_what_is_tested_here() -> None:
    offers = re.findall(r'"([^"]+)"', HELP)
    assert offers == [
        "explain the joke: …",
        "tell me a joke",
        "…",
        "count to 200",
        "think",
        "call it wrong",
        "fail with model_rate_limited",
    ]


@pytest.mark.parametrize(
    "joke", ["Why did the chicken cross the road? To get to the other side.", "I used to be a baker.", "\U0001f414"]
)
async def test_it_explains_a_joke(joke: str) -> None:
    played = await ask(f"explain the joke: {joke}")
    name, shown = reply(played)
    assert played.ending == ("completed", "tool_calls")
    assert name == "explain_joke"
    assert shown["setup"].startswith(joke)
    assert shown["premise"]
    assert shown["punchline"]


async def test_it_explains_even_a_joke_that_is_not_told() -> None:
    assert reply(await ask("explain the joke:"))[0] == "explain_joke"


async def test_it_tells_a_joke() -> None:
    played = await ask("tell me a joke")
    assert played.ending == ("completed", "tool_calls")
    assert reply(played)[0] == "tell_joke"


async def test_it_judges_sarcasm() -> None:
    played = await ask('Is "Oh, great, more rain!" sarcastic?')
    assert played.ending == ("completed", "tool_calls")
    assert reply(played) == ("detect_sarcasm", {"quote": "Oh, great, more rain!", "score": 9})


async def test_it_judges_sarcasm_that_is_not_quoted() -> None:
    name, shown = reply(await ask("that was sarcastic"))
    assert (name, shown["quote"]) == ("detect_sarcasm", "that was sarcastic")


async def test_it_counts() -> None:
    played = await ask("count to 200")
    assert played.ending == ("completed", "stop")
    assert played.parts == (TextPart("".join(f"{number} " for number in range(1, 201))),)
    assert len(played.events) == 200


async def test_it_thinks_first() -> None:
    played = await ask("think")
    assert [type(part) for part in played.parts] == [ReasoningPart, TextPart]
    assert played.ending == ("completed", "stop")


async def test_it_calls_it_wrong_and_corrects_itself() -> None:
    played = await ask("call it wrong")
    assert [type(part) for part in played.parts] == [ToolCallPart, StepPart, TextPart, ToolCallPart]
    wrong = played.parts[0]
    assert isinstance(wrong, ToolCallPart)
    assert wrong.error is not None
    assert wrong.error.code == "invalid_arguments"
    assert reply(played)[1]["score"] == 9
    assert played.ending == ("completed", "tool_calls")


async def wrongly(name: str, arguments: str, error: str) -> list[str]:
    """What it calls after a call that failed so, once and then once more."""
    parts: list[ToolCallPart | StepPart] = []
    called: list[str] = [arguments]
    for number in range(2):
        failed = CallError("invalid_arguments", error)
        parts += [ToolCallPart(f"c{number}", name, "reply", called[-1], None, "failed", None, failed), StepPart()]
        messages = fit("P", [user("x"), answer(*parts)], [], 100_000).messages
        pieces = [
            call.function.arguments
            async for chunks in Practice(pace=0).stream(Prompt("m", messages, []))
            for chunk in chunks
            for choice in chunk.choices or ()
            if choice.delta
            for call in choice.delta.tool_calls or ()
            if call.function
        ]
        called.append("".join(str(piece or "") for piece in pieces))
    return called[1:]


async def test_it_corrects_what_an_error_names_and_nothing_else() -> None:
    checked = declared()["court_deadline"]
    wrong = {"event_date": "2026-03-02", "period": 1, "unit": "court days", "jurisdiction": "US", "direction": "after"}
    with pytest.raises(InvalidArguments) as refused:
        checked.check(wrong)
    corrected, *_ = await wrongly("court_deadline", json.dumps(wrong), str(refused.value))
    assert json.loads(corrected) == {**wrong, "unit": "days"}
    assert await wrongly("tell_joke", '{"joke":"x"}', "invalid arguments") == ['{"joke":"x"}', ""]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.code)
async def test_it_fails_as_it_is_told(failure: type[TurnFailed]) -> None:
    played = await ask(f"fail with {failure.code}")
    assert type(played.failure) is failure
    assert isinstance(played.parts[0], TextPart), "a few words come first"
    assert played.turn.usage.estimated


async def test_it_fails_somehow_when_it_is_not_told_how() -> None:
    assert isinstance((await ask("please fail")).failure, errors.ModelUnavailable)


@pytest.mark.parametrize("text", ["tell me a joke", "explain the joke: x", "is this sarcastic?", "call it wrong"])
async def test_it_calls_no_function_that_is_not_offered(text: str) -> None:
    played = await ask(text, tools={})
    assert played.parts == (TextPart(HELP),)


async def test_it_answers_what_was_said_last() -> None:
    history: list[Message] = [user("tell me a joke"), *(await answered("tell me a joke"))]
    played = await play(Practice(pace=0), given("count to 3", history))
    assert played.parts == (TextPart("1 2 3 "),)


async def test_it_says_what_a_function_answered() -> None:
    call = ToolCallPart("c", "weather", "action", "{}", {}, "succeeded", "Rain in Oslo.")
    messages = fit("P", [user("weather?"), answer(call, StepPart())], [], 100_000).messages
    words = [
        choice.delta.content
        async for chunks in Practice(pace=0).stream(Prompt("m", messages, []))
        for chunk in chunks
        for choice in chunk.choices or ()
        if choice.delta
    ]
    assert "".join(map(str, words)) == 'The function answered: "Rain in Oslo."'


async def test_it_is_deterministic() -> None:
    for text in ("Hello", "tell me a joke", "explain the joke: x", "think"):
        first, second = await ask(text), await ask(text)
        assert first.parts == second.parts
        assert first.turn.usage == second.turn.usage


async def test_it_counts_its_tokens() -> None:
    usage = (await ask("count to 10")).turn.usage
    assert usage.output_tokens == 10
    assert usage.input_tokens > 0
    assert not usage.estimated


async def answered(text: str) -> list[Message]:
    """The answer of the practice model, as a history has it."""
    return [answer(*(await ask(text)).parts)]
