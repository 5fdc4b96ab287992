"""Running an action: its thread, its time limit, its output and its errors."""

import asyncio
import logging
import threading
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from chatkeep.chat.types import CallError
from chatkeep.tools.context import ToolContext
from chatkeep.tools.execution import MAX_OUTPUT_BYTES, ToolResult, ValidatedCall, run_call, run_calls, to_storable
from chatkeep.tools.threads import ThreadLimit, TooManyThreads
from tests.functions import TOOLS, Place, forget, gates, sent

pytestmark = pytest.mark.anyio

ME = ToolContext("me", "s", "r")


def validated(name: str, **arguments: Any) -> ValidatedCall:
    return ValidatedCall(TOOLS[name], TOOLS[name].check(arguments))


async def run_tool(name: str, **arguments: Any) -> ToolResult:
    return await run_call(validated(name, **arguments), ME, 5)


async def failure(name: str, **arguments: Any) -> CallError:
    """Return the error of a call that fails."""
    found = (await run_tool(name, **arguments)).error
    assert found is not None
    return found


async def test_async_functions_run_on_the_loop_others_in_a_thread() -> None:
    assert await run_tool("weather", city="Oslo") == ToolResult({"city": "Oslo", "days": 1})
    assert await run_tool("locate", place={"city": "Oslo"}, thread=True) == ToolResult("chatkeep-tool")


async def test_arguments_have_their_declared_types() -> None:
    assert (await run_tool("locate", place={"city": "Bergen"})).output == f"Bergen, {Place(city='').country}"


async def test_a_function_gets_its_tool_context() -> None:
    forget()
    assert (await run_tool("send_letter", to="Ola")).output == "sent to Ola for me"


async def test_the_model_sees_a_tool_error_and_no_other_text(caplog: pytest.LogCaptureFixture) -> None:
    assert await failure("complain", kind="told") == CallError("tool_error", "the shop is closed")
    assert caplog.records == []
    assert await failure("complain", kind="bug") == CallError("tool_error", "the function failed (KeyError)")
    assert await failure("complain", kind="exit") == CallError("tool_error", "the function failed (SystemExit)")
    assert await failure("complain", kind="panic") == CallError("tool_error", "the function failed (Panic)")
    assert await failure("complain", kind="cancelled") == CallError(
        "tool_error", "the function failed (CancelledError)"
    )
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 4
    assert "secret" in caplog.text


async def test_cancelling_a_call_cancels_its_function() -> None:
    task = asyncio.create_task(run_call(validated("dawdle"), ME, 5))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_call_past_its_time_limit_fails() -> None:
    error = await failure("dawdle")
    assert error.code == "tool_timeout"
    assert "0.05 s; it may have been done" in error.message
    forget()
    gates["Ola"] = asyncio.Event()
    assert (await run_call(validated("send_letter", to="Ola"), ME, 0.05)).error == CallError(
        "tool_timeout", "no answer within 0.05 s; it may have been done all the same"
    )


async def test_calls_run_side_by_side_and_are_yielded_as_they_end() -> None:
    forget()
    gates["slow"] = asyncio.Event()
    calls = {
        1: validated("send_letter", to="slow"),
        2: validated("complain", kind="told"),
        3: validated("weather", city="Oslo"),
    }
    ends: list[int] = []
    async for some in run_calls(calls, ME, 5):
        ends += [key for key, _ in some]
        if len(ends) == 2:
            assert sent == ["slow"], "it was begun with the others"
            gates["slow"].set()
    assert sorted(ends[:2]) == [2, 3]
    assert ends[2] == 1


async def test_closing_the_generator_cancels_open_calls() -> None:
    forget()
    gates["slow"] = asyncio.Event()
    running = run_calls({1: validated("send_letter", to="slow"), 2: validated("weather", city="Oslo")}, ME, 5)
    assert [key for key, _ in await anext(running)] == [2]
    await running.aclose()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("function ")]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        (date(2026, 11, 25), "2026-11-25"),
        (Place(city="Oslo"), {"city": "Oslo", "country": "Norway"}),
        ({1: {2}}, {"1": [2]}),
        (float("inf"), None),
        ("a\x00b\ud800", "a\ufffdb\ufffd"),
        (b"bytes", "bytes"),
    ],
)
def test_an_output_becomes_json_that_can_be_stored(value: object, stored: object) -> None:
    assert to_storable(value) == stored


@pytest.mark.parametrize("value", ["x" * 100_000, ["\U0001f414"] * 50_000])
def test_a_long_output_is_cut_and_says_so(value: object) -> None:
    cut = to_storable(value)
    assert isinstance(cut, str)
    assert MAX_OUTPUT_BYTES - 4 <= len(cut.encode()) < MAX_OUTPUT_BYTES + 100
    assert "[cut: this is the beginning of " in cut


async def test_an_output_without_a_json_form_is_a_failure() -> None:
    async def odd(arguments: dict[str, Any], caller: ToolContext) -> object:
        del arguments, caller
        return object()

    error = (await run_call(ValidatedCall(replace(TOOLS["weather"], run=odd), {}), ME, 5)).error
    assert error is not None
    assert error.code == "tool_error"


async def test_threads_are_bounded() -> None:
    limit = ThreadLimit(1)
    hold = threading.Event()
    first = asyncio.ensure_future(limit.run(hold.wait))
    await asyncio.sleep(0)
    with pytest.raises(TooManyThreads):
        await limit.run(lambda: 7)
    hold.set()
    assert await first is True
    assert await limit.run(lambda: 7) == 7


async def test_the_model_learns_that_no_thread_is_free() -> None:
    limit = ThreadLimit(0)

    async def run(arguments: dict[str, Any], context: ToolContext) -> object:
        del arguments, context
        return await limit.run(lambda: 7)

    result = await run_call(ValidatedCall(replace(TOOLS["weather"], run=run), {}), ME, 5)
    assert result.error == CallError("tool_error", "0 functions are at work already")
