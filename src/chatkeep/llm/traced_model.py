"""A model whose calls are traced (`watch/tracing.py`). It stands before the others only while traces are on."""

from collections.abc import AsyncGenerator, Sequence

from chatkeep.errors import TurnFailed
from chatkeep.llm import Model, ModelInfo, Prompt
from chatkeep.llm.chunks import Chunk
from chatkeep.watch import tracing


class TracedModel:
    """Passes prompts on to another model, and makes a span of each call."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def name(self, requested: str) -> str:
        """See `Model.name`."""
        return self._model.name(requested)

    def describe(self, requested: str) -> ModelInfo:
        """See `Model.describe`."""
        return self._model.describe(requested)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        """See `Model.stream`. A call whose caller leaves has neither tokens nor an error."""
        span = tracing.begin_call(prompt.model, self.describe(prompt.model).provider)
        end = tracing.CallEnd()
        answer = self._model.stream(prompt)
        del prompt  # it holds the whole conversation, and the answer may take long
        try:
            async for chunks in answer:
                for chunk in chunks:
                    end = _note(end, chunk)
                yield chunks
                del chunks
        except TurnFailed as failure:
            end = end._replace(error=failure.code)
            raise
        finally:
            await answer.aclose()
            if span is not None:
                tracing.end_call(span, end)

    async def close(self) -> None:
        """See `Model.close`."""
        await self._model.close()


def _note(end: tracing.CallEnd, chunk: Chunk) -> tracing.CallEnd:
    if chunk.usage is not None:
        end = end._replace(input_tokens=chunk.usage.prompt_tokens, output_tokens=chunk.usage.completion_tokens)
    for choice in chunk.choices or ():
        if choice.finish_reason is not None:
            end = end._replace(finish_reason=choice.finish_reason)
    return end
