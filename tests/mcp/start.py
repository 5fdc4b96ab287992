"""Starts the server of `server.py`, and checks if a process exists."""

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
    """Run the server on a port of loopback, and kill it when the block ends. `key`: the key that it requires."""
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
    """Return True if the process `pid` exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
