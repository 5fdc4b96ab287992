"""The task that owns the connection to one MCP server, and starts it again when it dies."""

import asyncio
import logging
import math
from typing import Any, NamedTuple, cast

import anyio
from mcp import Client

from chatkeep.mcp.connection import Lost, called, connected, listed
from chatkeep.mcp.offered import functions, output
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.declaration import Tool, ToolError

CONNECT_SECONDS = 30.0
"""How long a server may take to start, and to list its tools."""
AWAY_SECONDS = 10.0
"""How long a call waits for a server that is being started again."""
RELIST_SECONDS = 0.5
"""The least time between two listings, however often a server says that they are others."""
FIRST_DELAY, LAST_DELAY = 0.2, 60.0
"""Seconds until a server is started again: doubled each time, and small again once it has lasted `LAST_DELAY`."""

_log = logging.getLogger("chatkeep")


class _Call(NamedTuple):
    name: str
    arguments: dict[str, Any]
    begun: asyncio.Event
    result: asyncio.Future[Any]


class Owner:
    """One server. `functions` are those it offers, as last listed; `tried` is set when the first try is over."""

    def __init__(self, server: McpServer) -> None:
        """Begin at once; `close` ends it."""
        self.functions: dict[str, Tool] = {}
        self.tried = asyncio.Event()
        self._server = server
        self._calls: asyncio.Queue[_Call] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._life = anyio.CancelScope()
        self._task = asyncio.create_task(self._own(), name=f"MCP server {server.name}")

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """What the server's `tool` answers. Cancelling it cancels the call at the server.

        Raises:
            ToolError: it did not work; the message is for the model.
        """
        call = _Call(tool, arguments, asyncio.Event(), asyncio.get_running_loop().create_future())
        self._calls.put_nowait(call)
        try:
            async with asyncio.timeout(AWAY_SECONDS):
                await call.begun.wait()
        except TimeoutError as error:
            raise ToolError(f"{self._server.name} cannot be reached at the moment; this was not done") from error
        else:
            return await call.result
        finally:
            call.result.cancel()

    async def close(self) -> None:
        """Let go of the server; a process that we started is gone when this returns."""
        self._life.cancel()
        await self._task

    async def _own(self) -> None:
        with self._life:
            delay = FIRST_DELAY
            while True:
                began = anyio.current_time()
                try:
                    await self._live()
                except Exception as error:  # noqa: BLE001  # logged; the next try comes
                    reason = _reason(error)
                else:
                    reason = f"no answer within {CONNECT_SECONDS:g} s"
                self.tried.set()
                if anyio.current_time() - began > LAST_DELAY:
                    delay = FIRST_DELAY
                _log.warning("MCP server %s: %s; trying again in %g s", self._server.name, reason, delay)
                await anyio.sleep(delay)
                delay = min(2 * delay, LAST_DELAY)

    async def _live(self) -> None:
        """Connect, and serve calls until the connection breaks, which raises; return when none comes about."""
        with anyio.move_on_after(CONNECT_SECONDS) as connecting:
            async with connected(self._server, self._changed.set) as client:
                self._publish(await listed(client))
                connecting.deadline = math.inf
                self.tried.set()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._relist, client)
                    while True:
                        tasks.start_soon(self._answer, client, await self._calls.get())

    async def _answer(self, client: Client, call: _Call) -> None:
        if call.result.done():
            return  # nobody waits any longer
        call.begun.set()
        with anyio.CancelScope() as scope:
            call.result.add_done_callback(lambda _: scope.cancel())
            try:
                returned = output(await called(client, call.name, call.arguments))
            except Lost:
                raise
            except Exception as error:  # noqa: BLE001  # handed to the caller
                _settle(call, error)
            else:
                if not call.result.done():
                    call.result.set_result(returned)
            finally:
                words = f"{self._server.name} stopped while it was at work; this may have been done all the same"
                _settle(call, ToolError(words))

    async def _relist(self, client: Client) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            with anyio.fail_after(CONNECT_SECONDS):
                self._publish(await listed(client))
            await anyio.sleep(RELIST_SECONDS)

    def _publish(self, tools: list[Any]) -> None:
        found = functions(self._server.name, tools, self.call)
        self.functions.clear()
        self.functions.update(found)
        _log.info("MCP server %s: %d functions", self._server.name, len(found))


def _settle(call: _Call, error: Exception) -> None:
    if not call.result.done():
        call.result.set_exception(error)


def _reason(error: BaseException) -> str:
    """The first of what may be a group of errors, in one line."""
    if isinstance(error, BaseExceptionGroup):
        return _reason(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
