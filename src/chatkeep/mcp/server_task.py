"""The task that owns the connection to one MCP server, and connects again when it breaks.

Calls come through a queue. A call that no connection takes within `RECONNECT_WAIT_SECONDS` fails, and was not done. A
call that has begun when the connection breaks fails too, but may have been done. No call is sent twice.
"""

import asyncio
import logging
import math
from contextlib import suppress
from typing import Any, NamedTuple, cast

import anyio
from mcp import Client

from chatkeep.mcp.connection import ConnectionLost, call_tool, list_tools, open_client
from chatkeep.mcp.raw_results import Json
from chatkeep.mcp.tools import to_tools
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.declaration import Tool, ToolError

CONNECT_SECONDS = 30.0
"""How long a server may take to start and to list its tools."""
RECONNECT_WAIT_SECONDS = 10.0
"""How long a call waits for a server that is being started again."""
FIRST_RELIST_SECONDS, LAST_RELIST_SECONDS = 0.5, 60.0
"""The first and the longest pause after a listing. It doubles while the server reports one change after the other."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.2, 60.0
"""The first and the longest pause before a server is started again.

The pause doubles each time. It is the first again after a connection that lasted `LAST_RETRY_SECONDS`.
"""

MAX_WAITING_CALLS = 1_000
"""How many calls wait for a server that is being started again."""
MAX_WARNINGS = 100
"""How many different warnings about a server are logged. Each is logged once."""

_log = logging.getLogger("chatkeep")


class _PendingCall(NamedTuple):
    name: str
    arguments: dict[str, Any]
    has_begun: asyncio.Event
    result: asyncio.Future[Any]


class ServerTask:
    """One server's task. It starts at once, and ends by `close`.

    `tools` has the functions of the server, by name, as they were last listed. `has_tried` is set when the first
    attempt to connect has succeeded or failed.
    """

    def __init__(
        self,
        server: McpServer,
        *,
        reconnect_wait_seconds: float = RECONNECT_WAIT_SECONDS,
        last_retry_seconds: float = LAST_RETRY_SECONDS,
    ) -> None:
        self.tools: dict[str, Tool] = {}
        self.has_tried = asyncio.Event()
        self._server = server
        self._reconnect_wait_seconds = reconnect_wait_seconds
        self._last_retry_seconds = last_retry_seconds
        self._calls: asyncio.Queue[_PendingCall] = asyncio.Queue(MAX_WAITING_CALLS)
        self._changed = asyncio.Event()
        self._listed: list[Json] | None = None  # as the server described its tools
        self._warnings: set[str] = set()
        self._scope = anyio.CancelScope()
        self._task = asyncio.create_task(self._run(), name=f"MCP server {server.name}")

    async def call(self, tool: str, arguments: dict[str, Any]) -> Json:
        """Call the server's `tool` and return its result. Cancelling the call cancels it at the server.

        Raises:
            ToolError: the call failed; the message is written for the model.
        """
        call = _PendingCall(tool, arguments, asyncio.Event(), asyncio.get_running_loop().create_future())
        try:
            self._calls.put_nowait(call)
            async with asyncio.timeout(self._reconnect_wait_seconds):
                await call.has_begun.wait()
        except (TimeoutError, asyncio.QueueFull) as error:
            raise ToolError(f"{self._server.name} cannot be reached at the moment; this was not done") from error
        else:
            return await call.result
        finally:
            call.result.cancel()

    async def close(self) -> None:
        """Disconnect. When this returns, a server process that was started here has ended."""
        self._scope.cancel()
        await self._task

    async def _run(self) -> None:
        with self._scope:
            delay = FIRST_RETRY_SECONDS
            while True:
                started_at = anyio.current_time()
                try:
                    await self._serve()
                except Exception as error:  # noqa: BLE001  # logged, then tried again
                    reason = _error_line(error)
                else:
                    reason = f"no answer within {CONNECT_SECONDS:g} s"
                self.has_tried.set()
                if anyio.current_time() - started_at > self._last_retry_seconds:
                    delay = FIRST_RETRY_SECONDS
                    self._warnings.clear()
                self._warn(f"{reason}; trying again, in {FIRST_RETRY_SECONDS:g} to {self._last_retry_seconds:g} s")
                await anyio.sleep(delay)
                delay = min(2 * delay, self._last_retry_seconds)

    async def _serve(self) -> None:
        """Connect, and serve calls until the connection breaks, which raises. Return if connecting takes too long."""
        with anyio.move_on_after(CONNECT_SECONDS) as connecting:
            async with open_client(self._server, self._changed.set, self._warn) as client:
                await self._list_tools(client)
                connecting.deadline = math.inf
                self.has_tried.set()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._relist, client)
                    while True:
                        tasks.start_soon(self._carry_out, client, await self._calls.get())

    async def _carry_out(self, client: Client, call: _PendingCall) -> None:
        if call.result.done():
            return  # the caller no longer waits
        call.has_begun.set()
        with anyio.CancelScope() as scope:
            call.result.add_done_callback(lambda _: scope.cancel())
            try:
                result = await call_tool(client, call.name, call.arguments)
            except ConnectionLost:
                raise
            except Exception as error:  # noqa: BLE001  # raised in the caller
                _fail(call, error)
            else:
                if not call.result.done():
                    call.result.set_result(result)
            finally:
                message = f"{self._server.name} stopped while it was at work; this may have been done all the same"
                _fail(call, ToolError(message))  # does nothing if the call has its result

    async def _relist(self, client: Client) -> None:
        pause = FIRST_RELIST_SECONDS
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                with anyio.fail_after(CONNECT_SECONDS):
                    await self._list_tools(client)
            except Exception as error:  # noqa: BLE001  # logged; if the connection has ended, all of this ends
                self._warn(f"its list of tools cannot be read, and stays as it was: {_error_line(error)}")
            await anyio.sleep(pause)
            pause = min(2 * pause, LAST_RELIST_SECONDS) if self._changed.is_set() else FIRST_RELIST_SECONDS

    async def _list_tools(self, client: Client) -> None:
        """Offer the server's tools from now on. Readers in other threads see all of before or all of these."""
        listed = await list_tools(client, self._warn)
        with suppress(RecursionError):  # nested too deeply to be compared
            if listed == self._listed:
                return
        # Compiling takes a while, so it is done in a thread.
        tools, warnings = await asyncio.to_thread(self._convert, listed)
        self.tools, self._listed = tools, listed
        for warning in warnings:
            self._warn(warning)
        _log.info("MCP server %s: %d functions", self._server.name, len(tools))

    def _convert(self, listed: list[Json]) -> tuple[dict[str, Tool], list[str]]:
        warnings: list[str] = []
        return to_tools(self._server.name, listed, self.call, warnings.append), warnings

    def _warn(self, line: str) -> None:
        """Log what is wrong with the server, unless it was logged before."""
        if line not in self._warnings and len(self._warnings) < MAX_WARNINGS:
            self._warnings.add(line)
            _log.warning("MCP server %s: %s", self._server.name, line)


def _fail(call: _PendingCall, error: Exception) -> None:
    if not call.result.done():
        call.result.set_exception(error)


def _error_line(error: BaseException) -> str:
    """Return `error` in one line; of a group, its first error."""
    if isinstance(error, BaseExceptionGroup):
        return _error_line(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
