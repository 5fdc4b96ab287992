"""A turn whose model calls functions: their order, the events and messages they cause, and when the turn waits."""

import asyncio
from typing import Any

import pytest

from chatkeep.agent.ephemeral import EventCollector
from chatkeep.agent.turn import MAX_STEPS, Turn
from chatkeep.chat.events import Event, StepStarted, ToolCallFinished, ToolCallReady, ToolCallRunning
from chatkeep.chat.types import CallError, StepPart, TextPart, ToolCallPart, Usage
from chatkeep.errors import ToolStepsExceeded
from chatkeep.llm.assembler import MAX_CALLS
from tests.functions import TOOLS, forget, gates, sent
from tests.script import Line, Script, call, say, stop
from tests.turns import answer, play, turn_input

pytestmark = pytest.mark.anyio

RAIN: list[Line] = [call("weather", '{"city":"Oslo"}', 0, "w"), stop("tool_calls", (10, 5))]
DONE: list[Line] = [say("It rains."), stop(tokens=(20, 3))]
PICK: list[Line] = [call("pick_colour", '{"among":["red"]}', 0, "p"), stop("tool_calls", (10, 5))]


def tool_messages(script: Script) -> list[dict[str, Any]]:
    """Return the tool messages of the last prompt."""
    return [message for message in script.prompts[-1].messages if message["role"] == "tool"]


async def test_an_actions_output_goes_back_to_the_model() -> None:
    script = Script(RAIN, DONE)
    played = await play(script, turn_input("weather?", tools=TOOLS))
    assert played.ending == ("completed", "stop")
    assert [type(part) for part in played.parts] == [ToolCallPart, StepPart, TextPart]
    assert tool_messages(script) == [
        {"role": "tool", "tool_call_id": "w", "content": '<data from="weather">{"city":"Oslo","days":1}</data>'}
    ]
    assert played.turn.usage == Usage(30, 8)


async def test_an_action_starts_after_its_running_event() -> None:
    forget()
    script = Script([call("send_letter", '{"to":"Ola"}', 0, "l"), stop("tool_calls")], DONE)
    sent_by_event: dict[type[Event], list[str]] = {}

    collector = EventCollector(answer())

    async def take(events: list[Event]) -> None:
        await collector.emit(events)
        sent_by_event[type(events[0])] = sent.copy()

    await Turn(script, turn_input("write!", tools=TOOLS)).run(take, collector.load_message)
    assert sent_by_event[ToolCallRunning] == [], "that it runs is written down before it does"
    assert sent_by_event[ToolCallFinished] == ["Ola"]


@pytest.mark.parametrize("with_index", [True, False])
async def test_of_too_many_calls_the_first_are_run(with_index: bool) -> None:
    calls: list[Line] = [
        call("weather", f'{{"city":"{number}"}}', number if with_index else None, f"w{number}")
        for number in range(MAX_CALLS + 500)
    ]
    script = Script([*calls, stop("tool_calls")], DONE)
    played = await play(script, turn_input("weather?", tools=TOOLS))
    assert played.ending == ("completed", "stop")
    parts = [part for part in played.parts if isinstance(part, ToolCallPart)]
    assert [part.call_id for part in parts] == [f"w{number}" for number in range(MAX_CALLS + 1)]
    assert {part.state for part in parts[:MAX_CALLS]} == {"succeeded"}
    assert parts[0].output == {"city": "0", "days": 1}
    message = "at most 64 calls at a time: this one and all that followed it were not done"
    assert (parts[-1].state, parts[-1].arguments_text) == ("failed", "")
    assert parts[-1].error == CallError("too_many_calls", message)
    assert len(tool_messages(script)) == MAX_CALLS + 1
    assert tool_messages(script)[-1]["content"] == f"Error (too_many_calls): {message}"


async def test_exactly_as_many_calls_as_are_read_are_run() -> None:
    calls: list[Line] = [call("weather", '{"city":"Oslo"}', n, f"w{n}") for n in range(MAX_CALLS)]
    played = await play(Script([*calls, stop("tool_calls")], DONE), turn_input("weather?", tools=TOOLS))
    assert {part.state for part in played.parts if isinstance(part, ToolCallPart)} == {"succeeded"}


async def test_calls_of_one_step_run_side_by_side() -> None:
    forget()
    gates["slow"] = asyncio.Event()
    script = Script(
        [
            call("send_letter", '{"to":"slow"}', 0, "a"),
            call("complain", '{"kind":"told"}', 1, "b"),
            call("weather", '{"city":1}', 2, "c"),
            stop("tool_calls"),
        ],
        DONE,
    )
    collector = EventCollector(answer())

    async def take(events: list[Event]) -> None:
        await collector.emit(events)
        if any(isinstance(event, ToolCallFinished) and event.index == 1 for event in events):
            gates["slow"].set()

    await Turn(script, turn_input("go!", tools=TOOLS)).run(take, collector.load_message)
    ends = [(event.index, event.state) for event in collector.events if isinstance(event, ToolCallFinished)]
    assert ends == [(2, "failed"), (1, "failed"), (0, "succeeded")]
    assert [message["content"][:24] for message in tool_messages(script)] == [
        '<data from="send_letter"',
        "Error (tool_error): <dat",
        "Error (invalid_arguments",
    ]


async def test_a_reply_beside_an_action_does_not_end_the_turn() -> None:
    script = Script([call("card", '{"title":"x"}', 0, "c"), *RAIN], DONE)
    played = await play(script, turn_input("go!", tools=TOOLS))
    assert played.ending == ("completed", "stop")
    assert tool_messages(script)[0]["content"] == "Shown to the user."


async def test_a_model_that_never_stops_calling_is_stopped() -> None:
    script = Script(*[RAIN] * (MAX_STEPS + 1))
    played = await play(script, turn_input("go!", tools=TOOLS))
    assert isinstance(played.failure, ToolStepsExceeded)
    assert len(script.prompts) == MAX_STEPS


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_a_call_of_a_cut_answer_is_not_run(reason: str) -> None:
    forget()
    script = Script(
        [
            call("send_letter", '{"to":"Ola"}', 0, "a"),
            call("send_letter", '{"to":"O', 1, "b"),
            call("pick_colour", '{"among":["red"]}', 2, "c"),
            stop(reason),
        ]
    )
    played = await play(script, turn_input("write!", tools=TOOLS))
    assert played.ending == ("incomplete", reason)
    assert [part.state for part in played.parts if isinstance(part, ToolCallPart)] == ["ready", "failed", "ready"]
    assert sent == []


async def test_actions_run_before_the_turn_waits_for_the_client() -> None:
    script = Script(
        [call("weather", '{"city":"Oslo"}', 0, "w"), call("pick_colour", '{"among":["red"]}', 1, "p"), stop()]
    )
    played = await play(script, turn_input("paint!", tools=TOOLS))
    assert played.outcome == ("requires_action", "stop", ("p",))
    assert [part.state for part in played.parts if isinstance(part, ToolCallPart)] == ["succeeded", "ready"]


async def test_a_resumed_turn_keeps_its_counts() -> None:
    first = Script([say("Hm. "), *PICK])
    start = turn_input("paint!", tools=TOOLS)
    waited = await play(first, start)
    call_part = waited.parts[1]
    assert isinstance(call_part, ToolCallPart)
    message = answer(
        waited.parts[0], ToolCallPart("p", "pick_colour", "client", call_part.arguments_text, {}, "succeeded", "red")
    )
    second = Script([call("pick_colour", '{"among":["red"]}', 0, "p"), stop("tool_calls", (7, 2))])
    resumed = turn_input("paint!", tools=TOOLS, message=message, prior_usage=waited.turn.usage, input_bytes=5)
    again = await play(second, resumed)
    assert isinstance(again.events[0], StepStarted)
    assert again.turn.usage == Usage(17, 7)
    assert again.turn.input_bytes > 5
    assert tool_messages(second) == [
        {"role": "tool", "tool_call_id": "p", "content": '<data from="pick_colour">"red"</data>'}
    ]
    ready = next(event for event in again.events if isinstance(event, ToolCallReady))
    assert again.outcome is not None
    assert again.outcome.status == "requires_action"
    assert again.outcome.waiting != ("p",), "the id was taken before it waited"
    assert ready.index == 3


async def test_corrections_and_steps_are_counted_across_the_wait() -> None:
    error = CallError("invalid_arguments", "no")
    bad = [ToolCallPart(f"x{n}", "weather", "action", "{", None, "failed", None, error) for n in range(2)]
    message = answer(
        bad[0], StepPart(), bad[1], StepPart(), ToolCallPart("p", "pick_colour", "client", "{}", {}, "cancelled")
    )
    script = Script([call("weather", "{", 0, "x9"), stop("tool_calls")])
    played = await play(script, turn_input("go!", tools=TOOLS, message=message))
    assert played.outcome == ("completed", "tool_calls", ())
    assert len(script.prompts) == 1


async def test_invalid_arguments_run_nothing(subtests: pytest.Subtests) -> None:
    for arguments in ["{", '{"to":7}', "[]", '{"to":"a"}{"to":"b"}', "null", '{"to":"a","cc":"b"}', ""]:
        with subtests.test(arguments=arguments):
            forget()
            script = Script([call("send_letter", arguments, 0, "l"), stop("tool_calls")], DONE)
            played = await play(script, turn_input("write!", tools=TOOLS))
            assert sent == []
            first = played.parts[0]
            assert isinstance(first, ToolCallPart)
            assert (first.state, first.arguments_text, first.arguments) == ("failed", arguments, None)
