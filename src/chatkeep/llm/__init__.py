"""Models: a `Model` turns a prompt into chunks. There are two: any OpenAI-compatible one, and the practice model."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, NamedTuple, Protocol

from chatkeep.llm.chunks import Chunk
from chatkeep.settings import Settings


class Prompt(NamedTuple):
    """One question to a model. The fields are those of the Chat Completions API; `temperature` None is not sent."""

    model: str
    messages: Sequence[dict[str, Any]]
    tools: Sequence[dict[str, Any]]
    temperature: float | None = None


class Model(Protocol):
    """The seam behind which a provider stands."""

    def name(self, requested: str) -> str:
        """Return the name that is recorded as the model of a run that asked for the model `requested`."""
        ...

    def provider(self, requested: str) -> str:
        """Return the name of the provider that answers for the model `requested`: it gets back what it has made."""
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        """Stream the answer to `prompt`: each item has the chunks that one read from the network brought.

        Closing the generator stops the model.

        Raises:
            TurnFailed: the model cannot answer, or failed before the end.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def connect_model(settings: Settings, pace: float | None = None) -> Model:
    """Return the model that `settings` name: the practice model if neither a key nor a base URL is set.

    `pace` is the practice model's pause between two words, in seconds; None means its default.
    """
    if settings.openai_api_key is None and settings.openai_base_url is None:
        from chatkeep.llm.practice import PACE_SECONDS, Practice

        return Practice(PACE_SECONDS if pace is None else pace)
    from chatkeep.llm.openai_model import OpenAIModel  # here, because it takes a second to import

    return OpenAIModel(settings)
