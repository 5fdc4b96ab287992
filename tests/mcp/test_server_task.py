"""`ServerTask` with a real MCP server, over stdio and over HTTP."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chatkeep import mcp
from chatkeep.errors import CannotStart
from chatkeep.mcp.server_task import MAX_WAITING_CALLS, ServerTask
from chatkeep.mcp.stdio import MAX_MESSAGE_BYTES
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Tool, ToolError
from chatkeep.tools.execution import MAX_OUTPUT_BYTES, ToolResult, ValidatedCall, run_call
from tests.functions import TOOLS
from tests.mcp.start import STDIO, is_there, over_http

pytestmark = pytest.mark.anyio
Tools = Mapping[str, Tool]
LOST = "t stopped while it was at work; this may have been done all the same"


@pytest.fixture(params=["stdio", "http"])
async def tools(request: pytest.FixtureRequest) -> AsyncGenerator[Tools]:
    if request.param == "stdio":
        async with mcp.offer_tools([STDIO], {}) as tools:
            yield tools
    else:
        async with over_http() as (server, _), mcp.offer_tools([server], {}) as tools:
            yield tools


async def call_tool(tools: Tools, name: str, limit: float = 20, **arguments: Any) -> ToolResult:
    tool = tools[f"t_{name}"]
    return await run_call(ValidatedCall(tool, tool.check(arguments)), ToolContext("me", "s", "r"), limit)


async def until(there: Any) -> None:
    """Wait until `there()`; the test's time limit ends it."""
    while not there():
        await asyncio.sleep(0.01)


async def test_tools_are_listed_and_called(tools: Tools) -> None:
    assert {"t_echo", "t_add", "t_slow", "t_crash"} <= set(tools)
    assert [tools[f"t_{name}"].safety for name in ("echo", "add", "pid")] == ["read_only", "idempotent", "unsafe"]
    assert await call_tool(tools, "echo", text="<hello>\u2028") == ToolResult("<hello>\u2028")
    assert await call_tool(tools, "add", a=1, b=2) == ToolResult({"sum": 3})
    assert await call_tool(tools, "picture") == ToolResult("a cat\n[image left out: image/png, 3 bytes]")


async def test_a_tool_with_an_invalid_schema_is_omitted(tools: Tools) -> None:
    assert "t_bent" not in tools
    assert any(name.startswith("t_odd_name") for name in tools)


async def test_a_failing_tool_s_own_words_are_the_error(tools: Tools) -> None:
    returned = await call_tool(tools, "fail")
    assert returned.error is not None
    assert (returned.error.code, returned.error.message[-22:]) == ("tool_error", "the printer is on fire")


async def test_a_huge_output_is_cut(tools: Tools) -> None:
    output = (await call_tool(tools, "big", size=3_000_000)).output
    assert len(output) < MAX_OUTPUT_BYTES + 100
    assert output.endswith("[cut: this is the beginning of 3000002 bytes]")


async def test_an_output_beyond_all_bounds_fails_alone(tools: Tools) -> None:
    returned = await call_tool(tools, "big", size=2 * MAX_MESSAGE_BYTES)
    assert returned.error is not None
    assert returned.error.code == "tool_error"
    assert await call_tool(tools, "echo", text="still here") == ToolResult("still here")


async def test_calls_run_side_by_side(tools: Tools, tmp_path: Path) -> None:
    slow = asyncio.create_task(call_tool(tools, "slow", seconds=600, note=str(tmp_path / "note")))
    assert await call_tool(tools, "echo", text="first") == ToolResult("first")
    assert not slow.done()
    slow.cancel()
    await asyncio.wait([slow])


async def test_a_call_past_its_time_is_cancelled_at_the_server(tools: Tools, tmp_path: Path) -> None:
    note = tmp_path / "note"
    returned = await call_tool(tools, "slow", 1, seconds=600, note=str(note))
    assert returned.error is not None
    assert returned.error.code == "tool_timeout"
    await until(lambda: note.read_text() == "cancelled")
    assert await call_tool(tools, "echo", text="still here") == ToolResult("still here")


async def test_new_tools_are_listed_when_the_server_reports_them(tools: Tools) -> None:
    assert "t_grown" not in tools
    assert await call_tool(tools, "grow") == ToolResult("grown")
    await until(lambda: "t_grown" in tools)
    assert await call_tool(tools, "grown") == ToolResult("new")


async def test_a_crash_fails_open_calls_and_restarts_the_server(tmp_path: Path) -> None:
    note = tmp_path / "note"
    async with mcp.offer_tools([STDIO], {}) as tools:
        first = int((await call_tool(tools, "pid")).output)
        slow = asyncio.create_task(call_tool(tools, "slow", seconds=600, note=str(note)))
        await until(note.exists)
        ends = [await call_tool(tools, "crash"), await slow]
        assert [(end.error.code, end.error.message) for end in ends if end.error] == [("tool_error", LOST)] * 2
        second = int((await call_tool(tools, "pid")).output)  # waits for the new one
        assert second != first
        assert note.read_text() == "begun"  # and was not begun again
    assert not is_there(first)
    assert not is_there(second)


async def test_a_server_that_dies_while_idle_is_restarted() -> None:
    async with mcp.offer_tools([STDIO], {}) as tools:
        first = int((await call_tool(tools, "pid")).output)
        os.kill(first, signal.SIGKILL)
        await until(lambda: not is_there(first))
        assert int((await call_tool(tools, "pid")).output) != first


async def test_an_http_server_may_go_away_and_come_back(tmp_path: Path) -> None:
    note = tmp_path / "note"
    async with over_http() as (server, port):
        task = ServerTask(server, last_retry_seconds=0.2)
        await task.has_tried.wait()
        tools = task.tools
        assert await call_tool(tools, "echo", text="1") == ToolResult("1")
        slow = asyncio.create_task(call_tool(tools, "slow", seconds=600, note=str(note)))
        await until(note.exists)
    lost = await slow
    assert lost.error is not None
    assert lost.error.message == LOST
    async with over_http(port):
        assert await call_tool(tools, "echo", text="3") == ToolResult("3")
        assert task.tools is tools, "the same list makes the same functions"
        await task.close()


async def test_a_call_without_a_server_is_not_done() -> None:
    async with over_http() as (server, _):
        task = ServerTask(server, reconnect_wait_seconds=0.5)
        await task.has_tried.wait()
        tools = task.tools
    await call_tool(tools, "echo", text="notices that it is gone")
    away = await call_tool(tools, "echo", text="x")
    assert away.error is not None
    assert away.error.message == "t cannot be reached at the moment; this was not done"
    await task.close()


async def test_no_more_calls_wait_for_a_server_than_are_allowed() -> None:
    task = ServerTask(McpServer("mute", command=("sleep", "600")), reconnect_wait_seconds=600)
    waiting = [asyncio.ensure_future(task.call("x", {})) for _ in range(MAX_WAITING_CALLS)]
    await asyncio.sleep(0)
    with pytest.raises(ToolError, match="mute cannot be reached at the moment; this was not done"):
        await task.call("x", {})
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    await task.close()


async def test_a_server_gets_its_configured_headers(caplog: pytest.LogCaptureFixture) -> None:
    async with over_http(0, "s3cret") as (server, _):
        allowed = server._replace(headers=(("x-key", "s3cret"),))
        refused = server._replace(name="u", headers=(("x-key", "gue55ed"),))
        with caplog.at_level(logging.INFO, "chatkeep"):
            async with mcp.offer_tools([allowed, refused], {}) as tools:
                assert await call_tool(tools, "echo", text="let in") == ToolResult("let in")
                assert not any(name.startswith("u_") for name in tools)
    assert "MCP server u: ConnectionError: it answers 401 Unauthorized" in caplog.text
    assert "s3cret" not in caplog.text
    assert "gue55ed" not in caplog.text


async def test_a_server_that_cannot_start_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    broken = McpServer("gone", command=("/no/such/server",))
    with caplog.at_level(logging.WARNING, "chatkeep"):
        async with mcp.offer_tools([broken, STDIO], {}) as tools:
            assert "t_echo" in tools
            assert not any(name.startswith("gone_") for name in tools)
    assert "MCP server gone: FileNotFoundError: " in caplog.text
    assert "trying again, in 0.2 to 60 s" in caplog.text


async def test_the_start_waits_only_briefly_for_a_silent_server() -> None:
    silent, own = McpServer("mute", command=("sleep", "600")), {"own": TOOLS["weather"]}
    async with mcp.offer_tools([silent], own, start_seconds=0.05) as tools:
        assert list(tools) == ["own"]


def test_a_server_s_name_is_no_function_s_prefix() -> None:
    with pytest.raises(CannotStart, match="call 'tell' something else: there is a function tell_joke"):
        mcp.check_servers([McpServer("tell", url="http://x")], ["tell_joke"])
    mcp.check_servers([McpServer("tel", url="http://x")], ["tell_joke"])
