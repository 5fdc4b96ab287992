"""The real client of AG-UI (npm `@ag-ui/client`): an agent in a process of Node."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from tests.dialects.ai_sdk import Running
from tests.needs import NPM, npm_program
from tests.node import NodeProgram, State, running_node


class Agent:
    """An agent of the client. Each method runs it, and returns `error`, the `events` of the run, and all `messages`."""

    def __init__(self, program: NodeProgram) -> None:
        self._program = program

    async def say(self, text: str, **run: Any) -> State:
        """Send a user's message."""
        return await self._program.do({"say": text, "run": run})

    async def add(self, message: dict[str, Any], **run: Any) -> State:
        """Send a message."""
        return await self._program.do({"add": message, "run": run})

    async def run(self, **run: Any) -> State:
        """Send the messages as they are."""
        return await self._program.do({"run": run})


@asynccontextmanager
async def agui_agent(
    service: Running, thread_id: str, path: str = "/agui", messages: list[dict[str, Any]] | None = None
) -> AsyncGenerator[Agent]:
    """Run an agent until the block ends."""
    node, _ = npm_program("@ag-ui", "client", "package.json")
    config = {
        "url": str(service.client.base_url).rstrip("/") + path,
        "threadId": thread_id,
        "initialMessages": messages or [],
    }
    async with running_node(node, str(NPM / "agui.mjs"), json.dumps(config)) as program:
        yield Agent(program)


async def snapshot(service: Running, thread_id: str) -> list[dict[str, Any]]:
    """Return the messages that the service has of a thread."""
    answer = await service.client.get(f"/agui/threads/{thread_id}/messages")
    assert answer.status_code == 200, answer.text
    event = json.loads(answer.text.removeprefix("data: "))
    assert event["type"] == "MESSAGES_SNAPSHOT"
    return event["messages"]
