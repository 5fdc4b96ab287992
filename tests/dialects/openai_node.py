"""OpenAI's SDK for Node as a client of the service: a process that is given one call after the other."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from tests.api.streams import PATIENCE
from tests.needs import NPM, npm_program
from tests.service import Service


class NodeClient:
    """A client. Each call returns `value`, the `events` of a stream, or an `error`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def call(self, method: str, *words: Any, **options: Any) -> dict[str, Any]:
        """Call a method such as `responses.create`. `options`: `until`, `final` (see `openai.mjs`)."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        command = {"method": method, "with": words, **options}
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line, "the client has died"
        return json.loads(line)


@asynccontextmanager
async def node_client(service: Service) -> AsyncGenerator[NodeClient]:
    """Run a client until the block ends."""
    node, _ = npm_program("openai", "package.json")
    process = await asyncio.create_subprocess_exec(
        node,
        str(NPM / "openai.mjs"),
        f"{service.url}/v1",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    try:
        yield NodeClient(process)
    finally:
        process.kill()
        await process.wait()
