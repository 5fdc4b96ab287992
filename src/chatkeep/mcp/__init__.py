"""The functions of MCP servers (https://modelcontextprotocol.io), an optional extra.

Each server has one task that owns its connection: it alone enters and leaves it, which the SDK's cancel scopes ask
for. Calls come to it by a queue; when the server dies, it starts it again. `connection.py` is the door to the SDK.
"""

import asyncio
import importlib.util
from collections import ChainMap
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from chatkeep.errors import CannotStart
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.declaration import Tool

START_SECONDS = 10.0
"""How long the start waits for servers. One that takes longer has its functions from then on."""


def check_servers(servers: Sequence[McpServer], declared: Collection[str]) -> None:
    """See that `servers` can be used beside the functions `declared`.

    Raises:
        CannotStart: the extra is not installed, or a name belongs to two.
    """
    if servers and importlib.util.find_spec("mcp") is None:
        raise CannotStart("CHATKEEP_MCP_SERVERS needs an extra that is not installed: pip install 'chatkeep[mcp]'")
    for server in servers:
        if taken := next((name for name in declared if name.startswith(f"{server.name}_")), None):
            raise CannotStart(f"CHATKEEP_MCP_SERVERS: call {server.name!r} something else: there is a function {taken}")


@asynccontextmanager
async def offer_tools(servers: Sequence[McpServer], declared: dict[str, Tool]) -> AsyncGenerator[Mapping[str, Tool]]:
    """Keep `servers` at hand until the block ends: the functions `declared`, and theirs as they are at each moment.

    A server that is not there has none, and is tried again; nothing waits for it longer than `START_SECONDS`.
    """
    if not servers:
        yield declared
        return
    from chatkeep.mcp.server_task import ServerTask  # here, because the SDK takes a second to import

    server_tasks = [ServerTask(server) for server in servers]
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                for task in server_tasks:
                    await task.has_tried.wait()
        yield ChainMap(declared, *(task.tools for task in server_tasks))
    finally:
        await asyncio.gather(*(task.close() for task in server_tasks))
