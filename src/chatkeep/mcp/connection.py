"""One connection to an MCP server: opened, listed, called. The door to the SDK."""

import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import anyio
import httpx2
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client import Transport
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.message import SessionMessage
from mcp.types import CONNECTION_CLOSED, CallToolResult, Implementation, ServerNotification, Tool
from mcp.types import ToolListChangedNotification as Changed
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

import chatkeep
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.declaration import ToolError

MAX_TOOLS = 128
"""The most functions of one server; a request takes no more in all (OpenAI, Chat Completions, `tools`)."""
RESUBSCRIBE_SECONDS = 5.0
"""How long to wait before asking again to be told of changes, when the server has hung up."""
HTTP_SECONDS, READ_SECONDS = 30.0, 300.0
"""Time limits of requests, and of the silence of a stream: the SDK's own."""


class ConnectionLost(Exception):  # noqa: N818  # what happened
    """The connection is gone; what becomes of a call that was open is not known."""


@asynccontextmanager
async def open_client(server: McpServer, on_tools_changed: Callable[[], None]) -> AsyncGenerator[Client]:
    """A client of `server`. `on_tools_changed` is called when the server says that its functions are others now.

    To be entered and left by the same task, without `Task.cancel`: by a cancel scope only, against which the SDK
    shields the end of the server's process.

    Raises:
        Exception: of whatever kind, in a group or not: there is no connection, or no longer.
    """

    async def on_message(message: ServerNotification | Exception) -> None:
        if isinstance(message, Changed):
            on_tools_changed()

    refusals: list[str] = []
    async with _transport(server, refusals) as (read, write), anyio.create_task_group() as tasks:
        send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)

        async def watch() -> None:
            """Pass on what the server says, and see it end: the SDK tells only those who wait for an answer."""
            async with send:
                async for message in read:
                    await send.send(message)
            raise ConnectionError(refusals[-1] if refusals else "it has ended the connection")

        tasks.start_soon(watch)
        me = Implementation(name="chatkeep", version=chatkeep.__version__)
        streams = nullcontext((receive, write))
        async with receive, Client(streams, message_handler=on_message, client_info=me, cache=None) as client:
            tasks.start_soon(_listen, client, on_tools_changed)
            yield client
            tasks.cancel_scope.cancel()


async def list_tools(client: Client) -> list[Tool]:
    """The tools of the server, the first `MAX_TOOLS` of them."""
    tools: list[Tool] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None or len(tools) >= MAX_TOOLS:
            return tools[:MAX_TOOLS]


async def call_tool(client: Client, name: str, arguments: dict[str, Any]) -> CallToolResult:
    """What the tool `name` answers. Cancelling it tells the server.

    Raises:
        ToolError: the server refuses, in its own words, or answers what its own schema does not allow.
        Lost: the connection ended before the answer.
    """
    try:
        return await client.call_tool(name, arguments)
    except MCPError as error:
        # Over HTTP a server that was started anew answers 404; the SDK has no code for it.
        if error.code == CONNECTION_CLOSED or error.message == "Session terminated":
            raise ConnectionLost from error
        raise ToolError(error.message) from error
    except RuntimeError as error:
        raise ToolError(str(error)) from error


async def _listen(client: Client, on_tools_changed: Callable[[], None]) -> None:
    """Ask to be told of changes, which servers of before 2026-07-28 do unasked."""
    tools = client.server_capabilities.tools
    if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or tools is None or not tools.list_changed:
        return
    while True:
        try:
            async with client.listen(tools_list_changed=True) as changes:
                on_tools_changed()  # between the listing and this moment
                async for _ in changes:
                    pass  # `on_message` hears them too
        except SubscriptionLost:
            pass  # it does not say that the server is gone: idle streams are cut on the way
        except MCPError:
            return  # it does not do what it said it could
        await anyio.sleep(RESUBSCRIBE_SECONDS)


def _transport(server: McpServer, refusals: list[str]) -> Transport | AbstractAsyncContextManager[Any]:
    if server.url is not None:
        return _over_http(server.url, server.headers, refusals)
    # The SDK gives the process PATH, HOME and the like only: what else is in the environment are our secrets.
    command, *arguments = server.command
    return stdio_client(StdioServerParameters(command=command, args=arguments), errlog=sys.__stderr__ or sys.stderr)


@asynccontextmanager
async def _over_http(url: str, headers: Sequence[tuple[str, str]], refusals: list[str]) -> AsyncGenerator[Any]:
    """The streamable HTTP transport. The SDK follows no redirect to where the headers are not meant for.

    `refusals` gets what the server says when it does not let us in, of which the SDK tells nothing.
    """

    async def look(response: httpx2.Response) -> None:
        if response.status_code in (401, 403):
            refusals.append(f"it answers {response.status_code} {response.reason_phrase}")

    limits = httpx2.Timeout(HTTP_SECONDS, read=READ_SECONDS)
    client = httpx2.AsyncClient(headers=[*headers], timeout=limits, event_hooks={"response": [look]})
    async with client, streamable_http_client(url, http_client=client) as streams:
        yield streams
