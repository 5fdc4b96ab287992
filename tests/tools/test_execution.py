"""Running an action: where it runs, how long, and what becomes of what it returns or raises."""

import asyncio
import logging
from datetime import date
from typing import Any

import pytest

from chatkeep.chat.types import CallError
from chatkeep.tools import threads
from chatkeep.tools.context import ToolContext
from chatkeep.tools.execution import MAX_OUTPUT_BYTES, ToolResult, ValidatedCall, run_call, run_calls, to_storable
from chatkeep.tools.threads import run_in_thread
from tests.functions import TOOLS, Place, forget, gates, sent

pytestmark = pytest.mark.anyio

ME = ToolContext("me", "s", "r")


def begun(name: str, **arguments: Any) -> ValidatedCall:
    return ValidatedCall(TOOLS[name], TOOLS[name].check(arguments))


async def returned(name: str, **arguments: Any) -> ToolResult:
    return await run_call(begun(name, **arguments), ME, 5)


async def failure(name: str, **arguments: Any) -> CallError:
    """Why the call failed."""
    found = (await returned(name, **arguments)).error
    assert found is not None
    return found


async def test_async_functions_run_on_the_loop_and_plain_ones_in_a_thread() -> None:
    assert await returned("weather", city="Oslo") == ToolResult({"city": "Oslo", "days": 1})
    assert await returned("locate", place={"city": "Oslo"}, thread=True) == ToolResult("chatkeep-tool")


async def test_arguments_come_as_the_types_that_were_declared() -> None:
    assert (await returned("locate", place={"city": "Bergen"})).output == f"Bergen, {Place(city='').country}"


async def test_a_function_is_told_for_whom_it_runs() -> None:
    forget()
    assert (await returned("send_letter", to="Ola")).output == "sent to Ola for me"


async def test_the_model_is_told_what_a_function_says_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
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


async def test_a_call_that_is_cancelled_is_cancelled() -> None:
    task = asyncio.create_task(run_call(begun("dawdle"), ME, 5))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_function_has_its_time_and_an_unsafe_one_may_have_done_it() -> None:
    error = await failure("dawdle")
    assert error.code == "tool_timeout"
    assert "0.05 s; it may have been done" in error.message
    forget()
    gates["Ola"] = asyncio.Event()
    assert (await run_call(begun("send_letter", to="Ola"), ME, 0.05)).error == CallError(
        "tool_timeout", "no answer within 0.05 s; it may have been done all the same"
    )


async def test_calls_run_side_by_side_and_come_as_they_end() -> None:
    forget()
    gates["slow"] = asyncio.Event()
    calls = {1: begun("send_letter", to="slow"), 2: begun("complain", kind="told"), 3: begun("weather", city="Oslo")}
    ends: list[int] = []
    async for some in run_calls(calls, ME, 5):
        ends += [key for key, _ in some]
        if len(ends) == 2:
            assert sent == ["slow"], "it was begun with the others"
            gates["slow"].set()
    assert sorted(ends[:2]) == [2, 3]
    assert ends[2] == 1


async def test_leaving_cancels_what_still_runs() -> None:
    forget()
    gates["slow"] = asyncio.Event()
    running = run_calls({1: begun("send_letter", to="slow"), 2: begun("weather", city="Oslo")}, ME, 5)
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
def test_an_output_is_made_json_that_can_be_stored(value: object, stored: object) -> None:
    assert to_storable(value) == stored


@pytest.mark.parametrize("value", ["x" * 100_000, ["\U0001f414"] * 50_000])
def test_a_long_output_is_cut_and_says_so(value: object) -> None:
    cut = to_storable(value)
    assert isinstance(cut, str)
    assert MAX_OUTPUT_BYTES - 4 <= len(cut.encode()) < MAX_OUTPUT_BYTES + 100
    assert "[cut: this is the beginning of " in cut


async def test_what_has_no_json_form_is_a_failure() -> None:
    async def odd(arguments: dict[str, Any], caller: ToolContext) -> object:
        del arguments, caller
        return object()

    from dataclasses import replace

    error = (await run_call(ValidatedCall(replace(TOOLS["weather"], run=odd), {}), ME, 5)).error
    assert error is not None
    assert error.code == "tool_error"


async def test_threads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(threads, "_slots", threading.BoundedSemaphore(1))
    hold = threading.Event()
    first = asyncio.ensure_future(run_in_thread(hold.wait))
    await asyncio.sleep(0)
    assert (await failure("locate", place={"city": "Oslo"})).message.endswith("functions are at work already")
    hold.set()
    assert await first is True
    assert await run_in_thread(lambda: 7) == 7
