"""The real AI SDK (npm `ai` 5, 6 and 7) as a client: a chat in a process of Node."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx2

from tests.needs import NPM, npm_program
from tests.node import NodeProgram, State, running_node

VERSIONS = ("5", "6", "7")


class Running(Protocol):
    """A running service."""

    @property
    def client(self) -> httpx2.AsyncClient: ...


class AiChat:
    """A chat of the client. Each method returns its state: `status`, `error`, `messages`, `toolCalls`, `end`."""

    def __init__(self, program: NodeProgram) -> None:
        self._program = program

    async def call(self, method: str, *arguments: Any) -> State:
        """Call a method of the chat, and wait until its answer has come."""
        await self._program.do({"begin": method, "with": arguments})
        return await self.settle()

    async def begin(self, method: str, *arguments: Any, until: str) -> State:
        """Call a method of the chat, and wait until its last message has the text `until`."""
        await self._program.do({"begin": method, "with": arguments})
        return await self._program.do({"until": until})

    async def until(self, text: str) -> State:
        """Wait until its last message has this text."""
        return await self._program.do({"until": text})

    async def settle(self) -> State:
        """Wait until it is neither asking nor reading."""
        return await self._program.do({"settle": True})

    async def send(self, text: str, **options: Any) -> State:
        """Send a message, and wait for the answer."""
        return await self.call("sendMessage", {"text": text, **options})


@asynccontextmanager
async def ai_chat(service: Running, version: str, chat_id: str, **options: Any) -> AsyncGenerator[AiChat]:
    """Run a chat until the block ends. `options`: `messages`, `body`, `reduced`, `automatic` (see `ai_sdk.mjs`)."""
    node, _ = npm_program(f"ai{version}", "package.json")
    words = json.dumps({"url": str(service.client.base_url).rstrip("/"), "id": chat_id, **options})
    async with running_node(node, str(NPM / "ai_sdk.mjs"), version, words) as program:
        yield AiChat(program)


async def history(service: Running, chat_id: str) -> list[dict[str, Any]]:
    """Return what the service has for `messages` of a chat."""
    answer = await service.client.get(f"/api/chat/{chat_id}/messages")
    assert answer.status_code == 200, answer.text
    return answer.json()


def comparable(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of an answer without what only some versions add, and what is not kept of broken arguments."""
    optional = ("id", "title", "rawInput", "preliminary")
    parts = [{name: value for name, value in part.items() if name not in optional} for part in message["parts"]]
    return [{**part, "input": None} if part.get("state") == "output-error" else part for part in parts]
