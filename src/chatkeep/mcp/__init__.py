"""The tools of MCP servers (https://modelcontextprotocol.io) as functions of ours. An optional extra.

Each server has one task that owns its connection (`server_task.py`). Only that task opens and closes the connection,
because the SDK's cancel scopes require it. Calls reach the task through a queue. When the server dies, the task starts
it again. `connection.py` is the only module that talks to the SDK's client.

Servers are never trusted. All that they send comes over connections with limits (`stdio.py`, `http.py`), passes
`server_messages.py`, and is read part by part (`tools.py`).
"""

import asyncio
import importlib.util
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from chatkeep.errors import CannotStart
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.declaration import Tool

START_SECONDS = 10.0
"""How long the start of the service waits for servers. One that takes longer offers its tools once it is ready."""


def check_servers(servers: Sequence[McpServer], declared: Collection[str]) -> None:
    """Check that `servers` can be used together with the functions named in `declared`.

    Raises:
        CannotStart: the extra is not installed, or a function's name begins as those of a server do.
    """
    if servers and importlib.util.find_spec("mcp") is None:
        raise CannotStart("CHATKEEP_MCP_SERVERS needs an extra that is not installed: pip install 'chatkeep[mcp]'")
    for server in servers:
        if other := next((name for name in declared if name.startswith(f"{server.name}_")), None):
            raise CannotStart(f"CHATKEEP_MCP_SERVERS: call {server.name!r} something else: there is a function {other}")


class _CurrentTools(Mapping[str, Tool]):
    """The declared functions and those that the servers offer at the moment. Other threads may read it.

    `tables` returns the tables of functions; one that comes first wins. A table is replaced, never changed.
    """

    def __init__(self, tables: Callable[[], Sequence[Mapping[str, Tool]]]) -> None:
        self._tables = tables

    def __getitem__(self, name: str) -> Tool:
        for table in self._tables():
            if name in table:
                return table[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({name: None for table in self._tables() for name in table})

    def __len__(self) -> int:
        return sum(1 for _ in self)


@asynccontextmanager
async def offer_tools(
    servers: Sequence[McpServer], declared: dict[str, Tool], *, start_seconds: float = START_SECONDS
) -> AsyncGenerator[Mapping[str, Tool]]:
    """Connect to `servers` until the block ends. The value is a mapping of `declared` and of the servers' functions.

    The mapping always shows the functions that the servers have at the moment. A server that is away offers none, and
    is tried again; the start waits for it no longer than `start_seconds`.
    """
    if not servers:
        yield declared
        return
    from chatkeep.mcp.server_task import ServerTask  # here, because the SDK takes a second to import

    server_tasks = [ServerTask(server) for server in servers]
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(start_seconds):
                for task in server_tasks:
                    await task.has_tried.wait()
        yield _CurrentTools(lambda: [declared, *(task.tools for task in server_tasks)])
    finally:
        await asyncio.gather(*(task.close() for task in server_tasks))
