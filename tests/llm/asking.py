"""`OpenAIModel` over a real connection to a provider on loopback, and its received answers."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from chatkeep.errors import TurnFailed
from chatkeep.llm import Model, Prompt
from chatkeep.llm.apis import COMPLETIONS, Api
from chatkeep.llm.chunks import Chunk, TokenCounts
from chatkeep.llm.openai_model import OpenAIModel
from tests.llm.responses.events import Answer
from tests.provider import Provider, streams, text_chunks
from tests.service import settings

KEY = "open-sesame-42"
"""A key without a recognisable form: only knowing it keeps it out of messages."""
PROMPT = Prompt("gpt-5-mini", [{"role": "user", "content": "why?"}], [])


@dataclass
class ReceivedAnswer:
    """The chunks of an answer, and its failure, if it failed."""

    chunks: list[Chunk] = field(default_factory=list[Chunk])
    failure: TurnFailed | None = None

    @property
    def text(self) -> str:
        """The text of the answer."""
        deltas = [choice.delta for chunk in self.chunks for choice in chunk.choices or () if choice.delta]
        return "".join(delta.content for delta in deltas if isinstance(delta.content, str))

    @property
    def tokens(self) -> list[TokenCounts]:
        """The provider's counts."""
        return [chunk.usage for chunk in self.chunks if chunk.usage]

    @property
    def code(self) -> str | None:
        """The failure's code."""
        return self.failure.code if self.failure else None


@asynccontextmanager
async def connected(provider: Provider, api: Api = COMPLETIONS, **changes: Any) -> AsyncGenerator[OpenAIModel]:
    """Connect a model to `provider` until the block ends. `changes` are settings; by default it does not retry."""
    values = {"openai_base_url": provider.url, "openai_api_key": SecretStr(KEY), "model_retries": 0, **changes}
    model = OpenAIModel(settings(Path(), **values), api=api)
    try:
        if provider.is_known and "openai_base_url" not in changes:
            await _meet(model, provider, api)
        yield model
    finally:
        await model.close()


async def _meet(model: OpenAIModel, provider: Provider, api: Api) -> None:
    """Send one request, and remove it from the provider's records."""
    hello = text_chunks("Hello") if api is COMPLETIONS else Answer().say("Hello").end().frames()
    answers_after, provider.answers = provider.answers, [streams(*hello)]
    assert (await receive(model)).text == "Hello"
    provider.answers = answers_after
    provider.requests.clear()


async def receive(model: Model, prompt: Prompt = PROMPT) -> ReceivedAnswer:
    """Return the whole answer of `model`, up to its end or failure."""
    answer = ReceivedAnswer()
    try:
        async for chunks in model.stream(prompt):
            answer.chunks += chunks
    except TurnFailed as failure:
        answer.failure = failure
    return answer


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` is true, at most 10 seconds; it is polled."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
