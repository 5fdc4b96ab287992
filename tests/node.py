"""A program of Node that is driven by lines of JSON: a command in, a state out."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from tests.api.streams import PATIENCE

State: TypeAlias = dict[str, Any]


class NodeProgram:
    """A running program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, command: Mapping[str, Any]) -> State:
        """Give a command, and return the state after it."""
        await self.send(command)
        return await self.receive()

    async def send(self, command: Mapping[str, Any]) -> None:
        """Give a command; `receive` waits for the state after it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()

    async def receive(self) -> State:
        """Return the state after the command that was given last."""
        assert self._process.stdout is not None
        async with asyncio.timeout(2 * PATIENCE):
            line = await self._process.stdout.readline()
        assert line, "the program has died"
        return json.loads(line)


@asynccontextmanager
async def running_node(node: str, *words: str, cwd: Path | None = None) -> AsyncGenerator[NodeProgram]:
    """Run a program until the block ends. `words`: its file, and the rest of its command line."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(node, *words, cwd=cwd, stdin=pipe, stdout=pipe, limit=2**24)
    try:
        yield NodeProgram(process)
    finally:
        process.kill()
        await process.wait()
