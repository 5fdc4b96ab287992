"""Models: a `Model` turns a prompt into chunks.

There are three: any OpenAI-compatible one; a router to many of them, by the models file; and the practice model.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

from chatkeep.chat.model_call import CallPrice
from chatkeep.errors import TurnFailed
from chatkeep.llm.chunks import Chunk
from chatkeep.llm.model_library import ModelLibrary
from chatkeep.settings import Settings
from chatkeep.settings.models_file import ModelInput, Prefill
from chatkeep.watch import tracing

Params: TypeAlias = Mapping[str, Any]
"""How a model is to answer, by the names of `settings.models_file.ModelParams`. One that is absent is not sent."""
NO_PARAMS: Params = MappingProxyType({})


def ignore_retry(failure: TurnFailed, pause_seconds: float) -> None:
    """Do nothing: no call is counted here."""


class Prompt(NamedTuple):
    """One question to a model. `messages` and `tools` have the form of the Chat Completions API.

    `omit`: fields of the request that are left out for this model, since its server refuses them (`omit` in a models
    file). `on_retry` is called when a request has failed, and the same one is sent again after a pause in seconds.
    """

    model: str
    messages: Sequence[dict[str, Any]]
    tools: Sequence[dict[str, Any]]
    params: Params = NO_PARAMS
    omit: Sequence[str] = ()
    on_retry: Callable[[TurnFailed, float], object] = ignore_retry


class ModelInfo(NamedTuple):
    """The provider and model that answer, by the names under which they get back what they have made.

    `context_tokens` is the longest prompt; None: that of the settings. `prefill`: how the model goes on with an answer
    that has begun; None: it has to be asked in words. `fallbacks` are the models to ask when this one fails, in their
    order. `is_failing`: its provider has failed so often that another one had better be asked. `price` is None if it is
    not known. `label` is the provider's name in the models file; empty: it has no other name. `input`: what it reads.
    """

    provider: str
    model: str
    context_tokens: int | None = None
    price: CallPrice | None = None
    label: str = ""
    prefill: Prefill | None = None
    fallbacks: Sequence[str] = ()
    is_failing: bool = False
    input: Sequence[ModelInput] = ("text",)


class Model(Protocol):
    """The seam behind which a provider stands."""

    def name(self, requested: str) -> str:
        """Return the name that is recorded as the model of a run that asked for the model `requested`."""
        ...

    def describe(self, requested: str) -> ModelInfo:
        """Return what answers for the model `requested`.

        Raises:
            TurnFailed: there is no such model any more.
        """
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


def connect_model(library: ModelLibrary, settings: Settings, pace: float | None = None) -> Model:
    """Return the model that answers for those of `library`, by `settings`: the practice model if no provider is set.

    `pace` is the practice model's pause between two words, in seconds; None means its default.
    """
    model = _connect(library, settings, pace)
    if not tracing.is_on():
        return model
    from chatkeep.llm.traced_model import TracedModel

    return TracedModel(model)


def _connect(library: ModelLibrary, settings: Settings, pace: float | None) -> Model:
    if not settings.has_provider:
        from chatkeep.llm.practice import PACE_SECONDS, Practice

        return Practice(PACE_SECONDS if pace is None else pace)
    from chatkeep.llm.openai_model import OpenAIModel  # here, because it takes a second to import
    from chatkeep.llm.router import ModelRouter

    return OpenAIModel(settings) if library.file is None else ModelRouter(library, settings)
