"""The connection to an MCP server: open it, list its tools, call one. The only module that uses the SDK's client."""

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
"""How many tools of one server are used. A request to the provider takes no more in all (OpenAI, Chat Completions,
`tools`).
"""
RESUBSCRIBE_SECONDS = 5.0
"""The pause before subscribing again to changes of the tool list, after the subscription has ended."""
HTTP_SECONDS, READ_SECONDS = 30.0, 300.0
"""How long a request may take, and how long a stream may be silent. The values are the SDK's own."""


class ConnectionLost(Exception):  # noqa: N818  # named for what happened
    """The connection has ended. The outcome of a call that was open is not known."""


@asynccontextmanager
async def open_client(server: McpServer, on_tools_changed: Callable[[], None]) -> AsyncGenerator[Client]:
    """Connect to `server`, and give the block a client. `on_tools_changed` is called when its tool list has changed.

    Enter and leave it in the same task. Cancel it by a cancel scope only, never by `Task.cancel`: the SDK shields the
    end of the server's process from cancel scopes alone.

    Raises:
        Exception: the connection failed or broke. It may be of any class, also an exception group.
    """

    async def on_message(message: ServerNotification | Exception) -> None:
        if isinstance(message, Changed):
            on_tools_changed()

    refusals: list[str] = []
    async with _transport(server, refusals) as (read, write), anyio.create_task_group() as tasks:
        send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)

        async def watch() -> None:
            """Pass on the server's messages, and raise when they end: the SDK reports the end to open requests only."""
            async with send:
                async for message in read:
                    await send.send(message)
            raise ConnectionError(refusals[-1] if refusals else "it has ended the connection")

        tasks.start_soon(watch)
        client_info = Implementation(name="chatkeep", version=chatkeep.__version__)
        streams = nullcontext((receive, write))
        async with receive, Client(streams, message_handler=on_message, client_info=client_info, cache=None) as client:
            tasks.start_soon(_listen, client, on_tools_changed)
            yield client
            tasks.cancel_scope.cancel()


async def list_tools(client: Client) -> list[Tool]:
    """Return the first `MAX_TOOLS` tools of the server."""
    tools: list[Tool] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None or len(tools) >= MAX_TOOLS:
            return tools[:MAX_TOOLS]


async def call_tool(client: Client, name: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call the tool `name` and return its result. Cancelling the call cancels it at the server.

    Raises:
        ToolError: the server refused, and the message is its own; or its answer does not fit its own schema.
        ConnectionLost: the connection ended before the answer.
    """
    try:
        return await client.call_tool(name, arguments)
    except MCPError as error:
        # Over HTTP, a server that was restarted answers 404. The SDK has no code for that, only this message.
        if error.code == CONNECTION_CLOSED or error.message == "Session terminated":
            raise ConnectionLost from error
        raise ToolError(error.message) from error
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
                    pass  # `on_message` gets them too
        except SubscriptionLost:
            pass  # the server may be well: proxies cut idle streams
        except MCPError:
            return  # the server does not support what it announced
        await anyio.sleep(RESUBSCRIBE_SECONDS)


def _transport(server: McpServer, refusals: list[str]) -> Transport | AbstractAsyncContextManager[Any]:
    if server.url is not None:
        return _over_http(server.url, server.headers, refusals)
    # The SDK passes only PATH, HOME and the like to the process. The rest of our environment may be secret.
    command, *arguments = server.command
    return stdio_client(StdioServerParameters(command=command, args=arguments), errlog=sys.__stderr__ or sys.stderr)


@asynccontextmanager
async def _over_http(url: str, headers: Sequence[tuple[str, str]], refusals: list[str]) -> AsyncGenerator[Any]:
    """Connect over the streamable HTTP transport.

    The SDK follows no redirect to another origin, for which the headers are not meant. `refusals` gets a line for each
    401 and 403 of the server, which the SDK does not report.
    """

    async def note_refusal(response: httpx2.Response) -> None:
        if response.status_code in (401, 403):
            refusals.append(f"it answers {response.status_code} {response.reason_phrase}")

    limits = httpx2.Timeout(HTTP_SECONDS, read=READ_SECONDS)
    client = httpx2.AsyncClient(headers=[*headers], timeout=limits, event_hooks={"response": [note_refusal]})
    async with client, streamable_http_client(url, http_client=client) as streams:
        yield streams
