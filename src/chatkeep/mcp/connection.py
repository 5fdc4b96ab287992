"""The connection to an MCP server: open it, list its tools, call one. The only module that uses the SDK's client."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, cast

import anyio
from mcp import Client, MCPError
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.message import SessionMessage
from mcp.types import CONNECTION_CLOSED, Implementation, ListToolsResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

import chatkeep
from chatkeep.mcp.http import over_http
from chatkeep.mcp.raw_results import Json, unwrap
from chatkeep.mcp.server_messages import pass_on
from chatkeep.mcp.stdio import over_stdio
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.declaration import ToolError

# The SDK logs what a server sends, again and again, and without its name. Ours are the lines that say it once.
logging.getLogger("client").setLevel(logging.CRITICAL)

MAX_TOOLS = 128
"""How many tools of one server are used. A request to the provider takes no more in all (OpenAI, Chat Completions,
`tools`).
"""
MAX_PAGES = 64
"""How many pages of its list a server is asked for."""
RESUBSCRIBE_SECONDS = 5.0
"""The pause before subscribing again to changes of the tool list, after the subscription has ended."""

Warn = Callable[[str], None]
"""Takes a line about what a server does wrong."""


class ConnectionLost(Exception):  # noqa: N818  # named for what happened
    """The connection has ended. The outcome of a call that was open is not known."""


@asynccontextmanager
async def open_client(server: McpServer, on_tools_changed: Callable[[], None], warn: Warn) -> AsyncGenerator[Client]:
    """Connect to `server`, and give the block a client. `on_tools_changed` is called when its tool list has changed.

    Enter and leave it in the same task. Cancel it by a cancel scope only, never by `Task.cancel`: the end of the
    server's process is shielded from cancel scopes alone.

    Raises:
        Exception: the connection failed or broke. It may be of any class, also an exception group.
    """
    refusals: list[str] = []
    async with _transport(server, refusals) as (read, write), anyio.create_task_group() as tasks:
        send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)

        async def watch() -> None:
            """Pass on the server's messages, and raise when they end: the SDK reports the end to open requests only."""
            async with send:
                await pass_on(read, send, write, on_tools_changed, warn)
            raise ConnectionError(refusals[-1] if refusals else "it has ended the connection")

        tasks.start_soon(watch)
        client_info = Implementation(name="chatkeep", version=chatkeep.__version__)
        async with receive, Client(nullcontext((receive, write)), client_info=client_info, cache=None) as client:
            tasks.start_soon(_listen, client, on_tools_changed)
            yield client
            tasks.cancel_scope.cancel()


async def list_tools(client: Client, warn: Warn) -> list[Json]:
    """Return the first `MAX_TOOLS` tools of the server as it describes them, each name once.

    A page after the first that is faulty ends the list.

    Raises:
        MCPError: there is no first page.
        ValidationError: the first page is no page.
    """
    tools: dict[str, Json] = {}
    cursor: str | None = None
    cursors: set[str | None] = set()
    while cursor not in cursors and len(cursors) < MAX_PAGES and len(tools) < MAX_TOOLS:
        cursors.add(cursor)
        try:
            page = await client.list_tools(cursor=cursor)
        except (MCPError, ValidationError) as error:
            if cursor is None or (isinstance(error, MCPError) and error.code == CONNECTION_CLOSED):
                raise
            warn(f"a page of its list of tools is faulty, and the list ends there: {type(error).__name__}")
            break
        for each in page.tools:
            if tools.setdefault(each.name, original := unwrap(each.meta)) is not original:
                warn(f"it has two tools {each.name!r:.100}, and the first is used")
        for name in _names_left_out(page):
            warn(f"its tool {name!r:.100} cannot be offered: no header can be sent as it wants (x-mcp-header)")
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    return [*tools.values()][:MAX_TOOLS]


def _names_left_out(page: ListToolsResult) -> list[str]:
    """Return the names of the tools that the SDK left out of `page`.

    It does so for one that wants an argument as a header which cannot be sent (MCP 2026-07-28, "Tools": "MUST").
    """
    listed: list[Any] = unwrap(page.meta).get("tools", [])
    kept = {each.name for each in page.tools}
    names = [cast("Json", each).get("name") for each in listed if isinstance(each, dict)]
    return [name for name in names if isinstance(name, str) and name not in kept]


async def call_tool(client: Client, name: str, arguments: dict[str, Any]) -> Json:
    """Call the tool `name` and return its result, as the server sent it. Cancelling the call cancels it at the server.

    Raises:
        ToolError: the server refused, and the message is its own; or its answer is no result.
        ConnectionLost: the connection ended before the answer.
    """
    try:
        return unwrap((await client.call_tool(name, arguments)).meta)
    except MCPError as error:
        # Over HTTP, a server that was restarted answers 404. The SDK has no code for that, only this message.
        if error.code == CONNECTION_CLOSED or error.message == "Session terminated":
            raise ConnectionLost from error
        raise ToolError(error.message) from error
    except ValidationError as error:
        raise ToolError("the answer is not understood; this may have been done all the same") from error
    except RuntimeError as error:
        raise ToolError(str(error)) from error


async def _listen(client: Client, on_tools_changed: Callable[[], None]) -> None:
    """Subscribe to changes of the tool list. Servers of protocol versions before 2026-07-28 report them unasked."""
    tools = client.server_capabilities.tools
    if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or tools is None or not tools.list_changed:
        return
    while True:
        try:
            async with client.listen(tools_list_changed=True) as changes:
                on_tools_changed()  # it may have changed since it was listed
                async for _ in changes:
                    pass  # `pass_on` has seen them
        except SubscriptionLost:
            pass  # the server may be well: proxies cut idle streams
        except MCPError:
            return  # the server does not support what it announced
        await anyio.sleep(RESUBSCRIBE_SECONDS)


def _transport(server: McpServer, refusals: list[str]) -> AbstractAsyncContextManager[Any]:
    if server.url is not None:
        return over_http(server.url, server.headers, refusals)
    return over_stdio(server.command)
