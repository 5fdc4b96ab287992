"""Models that answer. A `Model` turns a prompt into chunks; two live here: any OpenAI-compatible one, and practice."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, NamedTuple, Protocol

from chatkeep.llm.chunks import Chunk
from chatkeep.settings import Settings


class Prompt(NamedTuple):
    """One question to a model, in the words of the Chat Completions API."""

    model: str
    messages: Sequence[dict[str, Any]]
    tools: Sequence[dict[str, Any]]
    temperature: float | None = None


class Model(Protocol):
    """Something that answers prompts."""

    def name(self, wanted: str) -> str:
        """The name under which a run that wanted the model `wanted` is recorded."""
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        """The answer, as it comes: what one read brought is one item. Closing the generator stops the model.

        Raises:
            TurnFailed: the model cannot answer, or not to the end.
        """
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...


def connect_model(settings: Settings, pace: float | None = None) -> Model:
    """The model that `settings` ask for: practice when neither a key nor a base URL is set.

    `pace`: seconds between two words of the practice model; None: as people speak.
    """
    if settings.openai_api_key is None and settings.openai_base_url is None:
        from chatkeep.llm.practice import PACE, Practice

        return Practice(PACE if pace is None else pace)
    from chatkeep.llm.openai_model import OpenAIModel  # here, because it takes a second to import

    return OpenAIModel(settings)
