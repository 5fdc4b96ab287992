"""OpenAI's SDK for Node as a client of the service: a process that is given one call after the other."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from tests.needs import NPM, npm_program
from tests.node import NodeProgram, State, running_node
from tests.service import Service


class NodeClient:
    """A client. Each call returns `value`, the `events` of a stream, or an `error`."""

    def __init__(self, program: NodeProgram) -> None:
        self._program = program

    async def call(self, method: str, *words: Any, **options: Any) -> State:
        """Call a method such as `responses.create`. `options`: `until`, `final` (see `openai.mjs`)."""
        return await self._program.do({"method": method, "with": words, **options})


@asynccontextmanager
async def node_client(service: Service) -> AsyncGenerator[NodeClient]:
    """Run a client until the block ends."""
    node, _ = npm_program("openai", "package.json")
    async with running_node(node, str(NPM / "openai.mjs"), f"{service.url}/v1") as program:
        yield NodeClient(program)
