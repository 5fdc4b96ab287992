"""Many models behind the one seam `Model`: a prompt goes to the provider that the models file names for its model.

A provider keeps its connections while it stays as it is in the file, under whatever name. Those of one that has left
the file are closed as soon as no answer comes from it.
"""

from collections.abc import AsyncGenerator, Sequence

from chatkeep.errors import CannotStart, ModelAuth, ModelRejected, TurnFailed
from chatkeep.llm import Model, ModelInfo, Prompt
from chatkeep.llm.apis import COMPLETIONS, RESPONSES
from chatkeep.llm.chunks import Chunk
from chatkeep.llm.circuit import Circuit
from chatkeep.llm.model_library import ModelLibrary
from chatkeep.llm.openai_model import OpenAIModel
from chatkeep.settings import Settings
from chatkeep.settings.models_file import ModelEntry, ProviderEntry


class ModelRouter:
    """The models of a library, each behind its provider."""

    def __init__(self, library: ModelLibrary, settings: Settings) -> None:
        """`library` has a file."""
        self._library = library
        self._settings = settings
        self._models: dict[ProviderEntry, _OpenModel] = {}
        library.on_change = self._close_unused

    def name(self, requested: str) -> str:
        """Return the name in the file, which is the one that clients know."""
        return requested

    def describe(self, requested: str) -> ModelInfo:
        """See `Model.describe`: the names are those of the provider, so a change of name in the file loses nothing."""
        entry, provider = self._find(requested)
        opened = self._open(provider)
        return opened.model.describe(entry.model)._replace(
            context_tokens=entry.context_tokens,
            prefill=entry.prefill,
            fallbacks=self._find_fallbacks(entry),
            is_failing=opened.circuit.is_open,
            price=entry.price and entry.price.per_call(),
            label=entry.provider,
            input=tuple(entry.input),
        )

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        """See `Model.stream`. The parameters of the prompt win over those of the file."""
        entry, provider = self._find(prompt.model)
        opened = self._open(provider)
        params = {**entry.params.model_dump(exclude_none=True), **prompt.params}
        answer = opened.model.stream(
            Prompt(entry.model, prompt.messages, prompt.tools, params, entry.omit, prompt.on_retry)
        )
        del prompt  # it holds the whole conversation, and the answer may take long
        opened.answers += 1
        opened.circuit.begin()
        try:
            async for chunks in answer:
                opened.circuit.begin_answer()
                yield chunks
                del chunks
            opened.circuit.end_answer()
        except TurnFailed as failure:
            opened.circuit.fail(failure)
            raise
        finally:
            await answer.aclose()
            opened.answers -= 1
            await self._close_unused()

    async def close(self) -> None:
        """Close all connections."""
        for opened in self._models.values():
            await opened.model.close()

    def _find(self, name: str) -> tuple[ModelEntry, ProviderEntry]:
        file = self._library.file
        if file is None or name not in file.models:
            raise ModelRejected(f"there is no model {name!r} any more")
        entry = file.models[name]
        return entry, file.provider_of(entry)

    def _find_fallbacks(self, entry: ModelEntry) -> Sequence[str]:
        """Return the names that `entry` falls back to. Those that a fallback has of its own come right after it."""
        found = dict[str, None]()
        rest = entry.fallback[::-1]
        while rest:
            name = rest.pop()
            if name not in found:
                found[name] = None
                rest += self._find(name)[0].fallback[::-1]
        return tuple(found)

    def _open(self, provider: ProviderEntry) -> "_OpenModel":
        if provider not in self._models:
            try:
                self._models[provider] = _OpenModel(_connect(self._settings, provider))
            except (ValueError, CannotStart) as error:  # the key could be read when the file was
                raise ModelAuth(f"the provider's key cannot be read: {error}") from error
        return self._models[provider]

    async def _close_unused(self) -> None:
        """Close the connections of providers that are no longer in the file, and of which no answer comes."""
        file = self._library.file
        kept = set(file.providers.values()) if file is not None else set[ProviderEntry]()
        for provider in [each for each, opened in self._models.items() if each not in kept and not opened.answers]:
            await self._models.pop(provider).model.close()


class _OpenModel:
    """A provider's model. `answers` counts those that are being made."""

    __slots__ = ("answers", "circuit", "model")

    def __init__(self, model: Model) -> None:
        self.model = model
        self.answers = 0
        self.circuit = Circuit()


def _connect(settings: Settings, provider: ProviderEntry) -> Model:
    """Return the model for the API that `provider` speaks."""
    return OpenAIModel(settings, provider, RESPONSES if provider.api == "responses" else COMPLETIONS)
