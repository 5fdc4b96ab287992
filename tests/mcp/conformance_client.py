"""Uses the MCP server at a URL as a worker does. MCP's conformance suite starts it, with the URL as its argument.

The suite says in `MCP_CONFORMANCE_CONTEXT` which tools are called. Where it says nothing, each is called once. One that
asks for a tool's schema gets the one by which arguments are checked.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from chatkeep.mcp import offer_tools
from chatkeep.settings.mcp_servers import parse_servers
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Tool


def calls(tools: Mapping[str, Tool]) -> list[tuple[str, dict[str, Any]]]:
    """Return the names of functions and the arguments with which they are called."""
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    if "toolCalls" in context:
        return [(f"t_{call['name']}", call["arguments"]) for call in context["toolCalls"]]
    arguments: dict[str, dict[str, Any]] = {"t_add_numbers": {"a": 5, "b": 3}}
    if "t_json_schema_echo" in tools:
        arguments["t_json_schema_echo"] = {"schema": tools["t_json_schema_2020_12_tool"].parameters}
    return [(name, arguments.get(name, {})) for name in tools]


async def main(url: str) -> None:
    async with offer_tools(parse_servers(f"t={url}"), {}) as tools:
        for name, arguments in calls(tools):
            run = tools[name].run
            assert run is not None
            print(name, await run(arguments, ToolContext("local", "", "")))


asyncio.run(main(sys.argv[1]))
