"""The practice model keeps the promises of its `HELP` and of docs/practice-model.md, each through a whole turn."""

import json
import re
import time
from dataclasses import replace
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from chatkeep import errors
from chatkeep.agent.context_window import fit_history
from chatkeep.chat.types import CallError, Message, Part, ReasoningPart, RefusalPart, StepPart, TextPart, ToolCallPart
from chatkeep.errors import TurnFailed
from chatkeep.llm import Prompt
from chatkeep.llm.practice import HELP, Practice
from chatkeep.tools.arguments import InvalidArguments
from chatkeep.tools.declaration import Tool, declared_tools, tool
from chatkeep.tools.json_schema import schema_check
from tests.functions import TOOLS
from tests.pages import EXTEND, PRACTICE_MODEL, functions_of_extend
from tests.turns import PlayedTurn, answer, play, turn_input, user

pytestmark = pytest.mark.anyio

FAILURES: list[type[TurnFailed]] = TurnFailed.__subclasses__()
TITLE = "What the practice model understands"
TABLE = PRACTICE_MODEL.partition(f"## {TITLE}")[2].partition("## ")[0]
EXAMPLES = re.findall(r"^\| `([^`]+)` \| .+ \| ([^|]+) \|$", TABLE, re.MULTILINE)
ALL = {**declared_tools(), **TOOLS}


async def ask(text: str, **more: Any) -> PlayedTurn:
    """Execute a turn with the practice model, without its pauses."""
    return await play(Practice(pace=0), turn_input(text, **more))


def reply(played: PlayedTurn) -> tuple[str, Any]:
    """Return the only call of a turn, which succeeded: its name and output."""
    (call,) = (part for part in played.parts if isinstance(part, ToolCallPart) and part.state == "succeeded")
    return call.name, call.output


async def test_it_explains_itself_and_how_to_connect_a_real_model() -> None:
    played = await ask("Good morning!")
    assert played.ending == ("completed", "stop")
    assert played.parts == (TextPart(HELP),)
    assert "practice model" in HELP
    assert "OPENAI_API_KEY" in HELP
    assert "OPENAI_BASE_URL" in HELP


@pytest.mark.parametrize("requested", ["gpt-5-mini", "practice", ""])
def test_its_name_is_always_practice(requested: str) -> None:
    assert Practice().name(requested) == "practice"


def test_help_lists_exactly_the_tested_features() -> None:
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
    assert "docs/extend.md" in HELP
    assert TITLE in HELP
    assert f"## {TITLE}" in EXTEND


@pytest.fixture(scope="module")
def page_functions() -> dict[str, Tool]:
    """The functions that the page's examples use."""
    return functions_of_extend()


def trace(played: PlayedTurn) -> str:
    """Return the outcome of a turn in the words of the page's table."""
    waiting = played.outcome.waiting if played.outcome else ()

    def describe(part: Part) -> str:
        if isinstance(part, ToolCallPart):
            state = "waiting" if part.call_id in waiting else part.error.code if part.error else part.state
            return f"{part.name} {state}"
        names = {TextPart: "text", ReasoningPart: "reasoning", RefusalPart: "refusal"}
        return next((name for kind, name in names.items() if isinstance(part, kind)), "")

    parts = ", ".join(describe(part) for part in played.parts if not isinstance(part, StepPart))
    if played.failure is not None:
        return f"{parts}; failed ({played.failure.code})"
    assert played.ending is not None
    status, reason = played.ending
    return f"{parts}; {status}" + (f" ({reason})" if status == "incomplete" else "")


def test_the_page_documents_every_command() -> None:
    assert len(EXAMPLES) == TABLE.count("\n| `") > 20
    offers = [offer.strip("… ") for offer in re.findall(r'"([^"]+)"', HELP)]
    assert [offer for offer in offers if not any(offer in example for example, _ in EXAMPLES)] == []


@pytest.mark.parametrize(("message", "expected"), EXAMPLES)
async def test_each_example_of_the_page_does_what_the_page_says(
    message: str, expected: str, page_functions: dict[str, Tool]
) -> None:
    assert trace(await ask(message, tools=page_functions)) == expected


def calls(played: PlayedTurn) -> list[tuple[str, str]]:
    """The calls of a turn: name and arguments, as they were sent."""
    return [(part.name, part.arguments_text) for part in played.parts if isinstance(part, ToolCallPart)]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("weather", [("weather", '{"city":"practice","days":1}')]),
        ("Weather, please!", [("weather", '{"city":"practice","days":1}')]),
        ("the weather_station or a weatherman", []),
        ('weather in "Oslo", not in "Bergen"', [("weather", '{"city":"Oslo","days":1}')]),
        ("weather in “Oslo”", [("weather", '{"city":"Oslo","days":1}')]),
        ('weather {"city": "Oslo",  "days": 2.0}!', [("weather", '{"city": "Oslo",  "days": 2.0}')]),
        ('`send_letter`: {"to": "the weather"}', [("send_letter", '{"to": "the weather"}')]),
        ('send letter to "the weather in Oslo"', [("send_letter", '{"to":"the weather in Oslo"}')]),
        ('use "send_letter" for "Anna"', [("send_letter", '{"to":"Anna"}')]),
        ("send letter and send_letter", [("send_letter", '{"to":"practice"}')]),
        ('send_letter "Bo", weather "Oslo"', [("send_letter", '{"to":"Bo"}'), ("weather", '{"city":"Oslo","days":1}')]),
        ('weather {"city": "Oslo", ', [("weather", '{"city": "Oslo", ')]),
        ('tell_joke "Knock, knock."', [("tell_joke", '{"text":"Knock, knock."}')]),
        ('tell_joke {"text": "Mine."}', [("tell_joke", '{"text": "Mine."}')]),
    ],
)  # fmt: skip
async def test_it_calls_the_functions_a_message_names(message: str, expected: list[tuple[str, str]]) -> None:
    assert calls(await ask(message, tools=ALL))[: len(expected) or None] == expected


async def test_an_exact_name_selects_that_function() -> None:
    tools = {name: replace(ALL["weather"], name=name) for name in ("rain_now", "rain-now", "Rain_Now", "rain")}
    for name in tools:
        assert [called for called, _ in calls(await ask(name, tools=tools))] == [name]


async def test_parallel_calls_of_one_function_are_distinguished() -> None:
    played = await ask('send_letter {"to": "Anna"} send_letter {"to": "Bo"}', tools=ALL)
    first, second, _, text_part = played.parts
    assert isinstance(first, ToolCallPart)
    assert isinstance(second, ToolCallPart)
    assert first.call_id != second.call_id
    assert (first.output, second.output) == ("sent to Anna for me", "sent to Bo for me")
    assert isinstance(text_part, TextPart)
    assert text_part.text.count("`send_letter` answered: ") == 2


@pytest.mark.parametrize("mistake", ["call it wrong", "call it broken"])
@pytest.mark.parametrize("name", sorted(ALL))
async def test_it_calls_any_function_wrong_and_then_right(name: str, mistake: str) -> None:
    played = await ask(f"{mistake}: {name}", tools=ALL)
    first, second, *_ = (part for part in played.parts if isinstance(part, ToolCallPart))
    assert first.name == second.name == name
    assert first.error is not None
    assert first.error.code == "invalid_arguments"
    assert second.arguments is not None, second.error


async def test_a_wrong_call_is_corrected_to_the_user_s_arguments() -> None:
    for message in ('call it wrong: send_letter "Anna"', 'call it broken: send_letter {"to": "Anna"}'):
        assert calls(await ask(message, tools=ALL))[-1] == ("send_letter", '{"to":"Anna"}')


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": True, "b": {}}},
        {"type": "object", "properties": {"a": {"type": "object"}}},
        {"type": "object", "properties": {"a": {"type": ["array", "object"]}}, "required": []},
        {"type": "object", "properties": {"a": {"type": "number", "exclusiveMaximum": 3}}, "required": ["a", "b"]},
    ],
)
async def test_it_calls_a_function_of_any_schema_wrong_and_then_right(parameters: dict[str, Any]) -> None:
    new_tool = Tool("any_schema", "Take it.", "reply", parameters, schema_check(parameters))
    played = await ask("call it wrong", tools={"any_schema": new_tool})
    assert trace(played) == "any_schema invalid_arguments, any_schema succeeded; completed"


async def test_a_long_message_is_read_quickly() -> None:
    began = time.perf_counter()
    for piece in ('weather "', 'weather {"a', '"weather" and "', 'weather {"a":', '{"a":'):
        await ask(piece * 50_000, tools={"weather": ALL["weather"]})
    assert time.perf_counter() - began < 20


async def test_a_limit_known_only_from_the_error_is_met() -> None:
    """The strict form of a schema has no lengths."""

    @tool(kind="reply")
    class LongCard(BaseModel):
        """Show a long card."""

        model_config = ConfigDict(extra="forbid")

        title: Annotated[str, Field(min_length=40)]
        link: HttpUrl

    assert LongCard
    new_tool = declared_tools()["long_card"]
    assert trace(await ask("long_card", tools={"long_card": new_tool})) == (
        "long_card invalid_arguments, long_card succeeded; completed"
    )


async def test_it_corrects_one_of_two_calls() -> None:
    played = await ask('weather {"city": 7} send_letter "Anna"', tools=ALL)
    assert [name for name, _ in calls(played)] == ["weather", "send_letter", "weather"]


async def test_it_refuses_an_unknown_way_to_fail() -> None:
    (text_part,) = (await ask("fail with grace")).parts
    assert isinstance(text_part, TextPart)
    assert text_part.text.startswith("I cannot fail with grace.")
    for failure in FAILURES:
        assert failure.code in text_part.text


@pytest.mark.parametrize(
    "joke", ["Why did the chicken cross the road? To get to the other side.", "I used to be a baker.", "\U0001f414"]
)
async def test_it_explains_a_joke(joke: str) -> None:
    played = await ask(f"explain the joke: {joke}")
    name, call_arguments = reply(played)
    assert played.ending == ("completed", "tool_calls")
    assert name == "explain_joke"
    assert call_arguments["setup"].startswith(joke)
    assert call_arguments["premise"]
    assert call_arguments["punchline"]


async def test_it_explains_a_joke_that_is_missing() -> None:
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
    name, call_arguments = reply(await ask("that was sarcastic"))
    assert (name, call_arguments["quote"]) == ("detect_sarcasm", "that was sarcastic")


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
    """Return its calls after a call that failed in this way, once and then again."""
    parts: list[ToolCallPart | StepPart] = []
    called: list[str] = [arguments]
    for number in range(2):
        failed = CallError("invalid_arguments", error)
        parts += [ToolCallPart(f"c{number}", name, "reply", called[-1], None, "failed", None, failed), StepPart()]
        messages = fit_history("P", [user("x"), answer(*parts)], [], 100_000).messages
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


async def test_it_corrects_only_the_fields_an_error_names() -> None:
    checked = declared_tools()["court_deadline"]
    wrong = {"event_date": "2026-03-02", "period": 1, "unit": "court days", "jurisdiction": "US", "direction": "after"}
    with pytest.raises(InvalidArguments) as refused:
        checked.check(wrong)
    corrected, *_ = await wrongly("court_deadline", json.dumps(wrong), str(refused.value))
    assert json.loads(corrected) == {**wrong, "unit": "days"}
    assert await wrongly("tell_joke", '{"joke":"x"}', "invalid arguments") == ['{"joke":"x"}', ""]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.code)
async def test_it_fails_as_requested(failure: type[TurnFailed]) -> None:
    played = await ask(f"fail with {failure.code}")
    assert type(played.failure) is failure
    assert isinstance(played.parts[0], TextPart), "a few words come first"
    assert played.turn.usage.estimated


async def test_it_fails_in_a_default_way() -> None:
    assert isinstance((await ask("please fail")).failure, errors.ModelUnavailable)


@pytest.mark.parametrize("text", ["tell me a joke", "explain the joke: x", "is this sarcastic?", "call it wrong"])
async def test_it_calls_no_function_that_is_not_offered(text: str) -> None:
    played = await ask(text, tools={})
    assert played.parts == (TextPart(HELP),)


async def test_it_answers_the_last_message() -> None:
    history: list[Message] = [user("tell me a joke"), *(await answered("tell me a joke"))]
    played = await play(Practice(pace=0), turn_input("count to 3", history))
    assert played.parts == (TextPart("1 2 3 "),)


async def test_it_repeats_the_output_of_a_function() -> None:
    call = ToolCallPart("c", "weather", "action", "{}", {}, "succeeded", "Rain in Oslo.")
    messages = fit_history("P", [user("weather?"), answer(call, StepPart())], [], 100_000).messages
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
