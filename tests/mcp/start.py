"""Starting the server of `server.py`, and looking whether it is gone."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from chatkeep.settings.mcp_servers import McpServer

SCRIPT = str(Path(__file__).with_name("server.py"))
STDIO = McpServer("t", command=(sys.executable, SCRIPT))


@asynccontextmanager
async def over_http(port: int = 0, *key: str) -> AsyncGenerator[tuple[McpServer, int]]:
    """The server on a port of loopback, and which; killed when the block ends, as a crash would. `key`: it asks for."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, SCRIPT, "--http", str(port), *key), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield McpServer("t", url=f"http://127.0.0.1:{port}/mcp"), port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def is_there(pid: int) -> bool:
    """Whether there is a process `pid`, which nobody has to wait for any longer."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
