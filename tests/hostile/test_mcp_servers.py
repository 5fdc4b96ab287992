"""An MCP server that misbehaves harms itself only: the functions of another go on, and little is logged."""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatkeep import mcp
from chatkeep.mcp.connection import MAX_TOOLS
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.execution import ToolResult
from tests.mcp.start import STDIO
from tests.mcp.test_server_task import Tools, call_tool, until

pytestmark = pytest.mark.anyio
SCRIPT = str(Path(__file__).with_name("mcp_server.py"))
HI = ToolResult("hi")
TWO = [f"it has two tools {name!r}, and the first is used" for name in ("echo", "other")]


@asynccontextmanager
async def beside(way: str, start_seconds: float = 20) -> AsyncGenerator[Tools]:
    """Connect to a server that misbehaves in this way, and to one that does not; their functions are `h_…` and `t_…`.

    The latter works after the block.
    """
    hostile = McpServer("h", command=(sys.executable, SCRIPT, way))
    async with mcp.offer_tools([STDIO, hostile], {}, start_seconds=start_seconds) as tools:
        await until(lambda: "t_echo" in tools)
        yield tools
        assert await call_tool(tools, "echo", text="hi") == HI


def offered(tools: Tools) -> list[str]:
    return sorted(name for name in tools if name.startswith("h_"))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines about the server `h`."""
    return [line.removeprefix("MCP server h: ") for line in caplog.messages if line.startswith("MCP server h: ")]


async def call(tools: Tools, name: str = "echo", limit: float = 20) -> ToolResult:
    return await call_tool({"t_x": tools[f"h_{name}"]}, "x", limit)


def error(result: ToolResult) -> str:
    assert result.error is not None
    return result.error.message


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


async def test_odd_tools_take_no_other_away(caplog: pytest.LogCaptureFixture) -> None:
    async with beside("odd-tools") as tools:
        assert offered(tools) == ["h_bare", "h_echo", "h_empty", "h_other"]
        assert await call(tools) == ToolResult("echo")
    assert warnings(caplog) == [
        "it has two tools '', and the first is used",
        "its tool '' cannot be offered: it has no name, or none that can be sent",
        "its tool 'list' cannot be offered: its schema is not that of an object",
    ]


async def test_tools_with_impossible_headers_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    async with beside("odd-headers") as tools:
        assert offered(tools) == ["h_echo", "h_other"]
        assert await call(tools) == ToolResult("echo")
    why = "no header can be sent as it wants (x-mcp-header)"
    assert warnings(caplog) == [f"its tool 'odd{number}' cannot be offered: {why}" for number in range(3)]
    assert {record.name for record in caplog.records} == {"chatkeep"}


async def test_invalid_notifications_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with beside("cancels") as tools:
        assert await call(tools) == ToolResult("echo")
    assert {record.name for record in caplog.records} == {"chatkeep"}


@pytest.mark.parametrize(
    ("way", "count", "logged"),
    [
        ("twice", 2, TWO),
        ("many", MAX_TOOLS, []),
        ("endless", 1, []),
        ("circle", 2, TWO),
        ("faulty-page", 2, ["a page of its list of tools is faulty, and the list ends there: MCPError"]),
        ("no-list", 0, []),
    ],
)
async def test_a_list_of_tools_always_ends(
    way: str, count: int, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with beside(way) as tools:
        assert len(offered(tools)) == count
    assert warnings(caplog) == logged


async def test_a_list_that_fails_later_stays_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    async with beside("faulty-again") as tools:
        assert await call(tools) == ToolResult("echo")
        await until(lambda: bool(warnings(caplog)))
        assert offered(tools) == ["h_echo", "h_other"]
        assert await call(tools) == ToolResult("echo")
    assert warnings(caplog) == ["its list of tools cannot be read, and stays as it was: MCPError: no"]


async def test_an_odd_output_is_an_output() -> None:
    async with beside("odd-output") as tools:
        expected = {"result": {"a": "\ufffd"}, "beside": ['[not understood: {"type": "hologram"}]']}
        assert await call(tools) == ToolResult(expected)


async def test_an_answer_that_is_no_output_may_have_been_done() -> None:
    async with beside("no-output") as tools:
        assert error(await call(tools)) == "the answer is not understood; this may have been done all the same"


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("dies", "ConnectionError: it has ended the connection"),
        ("huge", "ConnectionError: it sent a message of more than 8388608 bytes"),
    ],
)
async def test_a_server_that_breaks_off_is_started_again(
    way: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with beside(way) as tools:
        for _ in range(3):
            assert "may have been done all the same" in error(await call(tools))
            assert await call_tool(tools, "echo", text="hi") == HI
    assert warnings(caplog) == [f"{reason}; trying again, in 0.2 to 60 s"]


async def test_a_wrong_protocol_version_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async with beside("version") as tools:
        assert not offered(tools)
    (line,) = warnings(caplog)
    assert "Unsupported protocol version from the server: 1999-12-31" in line


async def test_a_mute_server_is_not_waited_for() -> None:
    async with beside("mute", start_seconds=0.5) as tools:
        assert not offered(tools)


@pytest.mark.parametrize(
    ("way", "logged"),
    [
        ("storm", "it sends more than 500 messages in a second: they are read slowly"),
        ("pings", "it sends more than 500 messages in a second: they are read slowly"),
        ("noise", "it sends what is no message: b'debug'"),
    ],
)
async def test_a_burst_delays_only_its_own_server(way: str, logged: str, caplog: pytest.LogCaptureFixture) -> None:
    async with beside(way) as tools:
        burst = asyncio.create_task(call(tools))
        assert await call_tool(tools, "echo", text="hi") == HI
        assert await burst == ToolResult("echo")
    assert warnings(caplog) == [logged]


async def test_an_endless_flood_is_read_slowly(caplog: pytest.LogCaptureFixture) -> None:
    async with beside("flood") as tools:
        await until(lambda: bool(warnings(caplog)))
        assert offered(tools) == ["h_echo", "h_other"]
        assert error(await call(tools, limit=0.5)).startswith("no answer within 0.5 s")
    assert len(warnings(caplog)) == 1
