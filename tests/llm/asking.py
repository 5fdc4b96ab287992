"""A model asked over a real connection, and everything that came of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from chatkeep.errors import TurnFailed
from chatkeep.llm import Model, Prompt
from chatkeep.llm.chunks import Chunk, TokenCounts
from chatkeep.llm.openai_model import OpenAIModel
from tests.provider import Provider, streams, text_chunks
from tests.service import settings

KEY = "open-sesame-42"
"""A key that looks like nothing in particular, so that only knowing it keeps it out of messages."""
PROMPT = Prompt("gpt-5-mini", [{"role": "user", "content": "why?"}], [])


@dataclass
class Heard:
    """The chunks that came, and how the answer failed, if it did."""

    chunks: list[Chunk] = field(default_factory=list[Chunk])
    failure: TurnFailed | None = None

    @property
    def text(self) -> str:
        """All that was said."""
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
async def connected(provider: Provider, **changes: Any) -> AsyncGenerator[OpenAIModel]:
    """A model that asks `provider`; `changes` are settings, without which it never tries twice."""
    values = {"openai_base_url": provider.url, "openai_api_key": SecretStr(KEY), "model_retries": 0, **changes}
    model = OpenAIModel(settings(Path(), **values))
    try:
        if provider.is_known and "openai_base_url" not in changes:
            await _meet(model, provider)
        yield model
    finally:
        await model.close()


async def _meet(model: OpenAIModel, provider: Provider) -> None:
    """Let `model` ask `provider` once, and leave no trace of it there."""
    wanted, provider.answers = provider.answers, [streams(*text_chunks("Hello"))]
    assert (await hear(model)).text == "Hello"
    provider.answers = wanted
    provider.asked.clear()


async def hear(model: Model, prompt: Prompt = PROMPT) -> Heard:
    """The whole answer of `model`, up to its end or failure."""
    heard = Heard()
    try:
        async for chunks in model.stream(prompt):
            heard.chunks += chunks
    except TurnFailed as failure:
        heard.failure = failure
    return heard


async def until(condition: Callable[[], bool]) -> None:
    """Wait for `condition`, which nobody announces, for as long as a test may take."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
