"""The ways into one chat, each by its real client: a chat that was begun in one can be gone on with in any other."""

import random
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import httpx2
import openai

from tests.dialects.agui import agui_agent, snapshot
from tests.dialects.ai_sdk import VERSIONS, ai_chat, history
from tests.dialects.openai import openai_client
from tests.faults.process import Service
from tests.service import read_events


class Said(NamedTuple):
    """A message as every door shows it."""

    role: str
    text: str


class Door(ABC):
    """A client of one chat, whose id is a UUID. It keeps nothing else, so each call may go to another service."""

    name: str

    def __init__(self, chat_id: str, rng: random.Random) -> None:
        self.chat_id = chat_id
        self.rng = rng

    @abstractmethod
    async def send(self, service: Service, text: str) -> str:
        """Send a message, and return the text of its answer as far as it came. A connection may break at any time."""

    async def read(self, service: Service) -> list[Said]:
        """Return the history, without answers that have no text. It is empty if the chat does not exist."""
        return [each for each in await self.load(service) if each.text]

    @abstractmethod
    async def load(self, service: Service) -> list[Said]:
        """Return the history as this client gets it."""

    async def send_until_killed(self, service: Service, text: str) -> str:
        """Send a message to a service that may die at any time, also before it is asked at all."""
        try:
            return await self.send(service, text)
        except httpx2.TransportError:
            return ""


class Ours(Door):
    """Our own API."""

    name = "ours"

    async def send(self, service: Service, text: str) -> str:
        seen = ""
        try:
            (await service.client.post("/api/sessions", json={"id": self.chat_id})).raise_for_status()
            async with service.client.stream(
                "POST", f"/api/sessions/{self.chat_id}/messages", json={"content": text}
            ) as answer:
                answer.raise_for_status()
                async for event in read_events(answer):
                    seen += event["text"] if event["type"] == "text.delta" else ""
        except httpx2.TransportError:
            pass  # the service was killed
        return seen

    async def load(self, service: Service) -> list[Said]:
        answer = await service.client.get(f"/api/sessions/{self.chat_id}/messages", params={"limit": 100})
        if answer.status_code == 404:
            return []
        return [Said(each["role"], text_of(each["parts"])) for each in answer.json()["data"]]


class AiSdk(Door):
    """The AI SDK, in a version that `rng` chooses."""

    name = "AI SDK"

    async def send(self, service: Service, text: str) -> str:
        loaded = await history(service, self.chat_id)
        async with ai_chat(service, self.rng.choice(VERSIONS), self.chat_id, messages=loaded) as chat:
            messages = (await chat.send(text))["messages"]
        return text_of(messages[-1]["parts"]) if messages[-1]["role"] == "assistant" else ""

    async def load(self, service: Service) -> list[Said]:
        return [Said(each["role"], text_of(each["parts"])) for each in await history(service, self.chat_id)]


class AgUi(Door):
    """AG-UI."""

    name = "AG-UI"

    async def send(self, service: Service, text: str) -> str:
        async with agui_agent(service, self.chat_id, messages=await snapshot(service, self.chat_id)) as agent:
            last = (await agent.say(text))["messages"][-1]
        return last["content"] if last["role"] == "assistant" else ""

    async def load(self, service: Service) -> list[Said]:
        return [Said(each["role"], each["content"]) for each in await snapshot(service, self.chat_id)]


class Responses(Door):
    """OpenAI's Responses and Conversations, by its SDK for Python."""

    name = "Responses"

    async def send(self, service: Service, text: str) -> str:
        seen = ""
        try:
            (await service.client.post("/api/sessions", json={"id": self.chat_id})).raise_for_status()
            async with openai_client(service) as client:
                stream = await client.responses.create(conversation=self._conversation, input=text, stream=True)
                async for event in stream:
                    seen += event.delta if event.type == "response.output_text.delta" else ""
        except (httpx2.TransportError, openai.APIConnectionError):
            pass  # the service was killed
        return seen

    async def load(self, service: Service) -> list[Said]:
        said: list[Said] = []
        try:
            async with openai_client(service) as client:
                async for item in client.conversations.items.list(self._conversation, order="asc"):
                    if item.type == "message":
                        texts = [str(getattr(part, "text", "")) for part in item.content]
                        said.append(Said(item.role, "".join(texts)))
        except openai.NotFoundError:
            return []
        return said

    @property
    def _conversation(self) -> str:
        return f"conv_{self.chat_id}"


class Completions(Door):
    """OpenAI's Chat Completions, by its SDK for Python: the client sends the whole history each time.

    So each request makes a session of its own, which is the chat from then on.
    """

    name = "Chat Completions"

    async def send(self, service: Service, text: str) -> str:
        seen = ""
        try:
            said = [*await self.read(service), Said("user", text)]
            messages: Any = [{"role": each.role, "content": each.text} for each in said]
            async with openai_client(service) as client:
                stream = await client.chat.completions.create(
                    model="gpt-5-mini", messages=messages, stream=True, store=True
                )
                first = await anext(stream)
                run = await service.client.get(f"/api/runs/{first.id.removeprefix('chatcmpl-')}")
                self.chat_id = run.json()["session_id"]
                async for chunk in stream:
                    seen += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        except (httpx2.TransportError, openai.APIConnectionError, StopAsyncIteration):
            pass  # the service was killed
        return seen

    async def load(self, service: Service) -> list[Said]:
        answer = await service.client.get(f"/api/sessions/{self.chat_id}/messages")
        if answer.status_code == 404 or not (messages := answer.json()["data"]):
            return []
        completion_id = f"chatcmpl-{messages[-1]['run_id']}"
        async with openai_client(service) as client:
            listed = [each async for each in client.chat.completions.messages.list(completion_id)]
            last = (await client.chat.completions.retrieve(completion_id)).choices[0].message
        return [Said(each.role, each.content or "") for each in (*listed, last)]


DOORS: tuple[type[Door], ...] = (Ours, AiSdk, AgUi, Responses, Completions)


def text_of(parts: list[dict[str, Any]]) -> str:
    """Return the text of a message's parts."""
    return "".join(part["text"] for part in parts if part["type"] == "text")
