"""The one fake of the suite: a model that plays a script, at the seam `Model`."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeAlias

from chatkeep.llm import ModelInfo, Prompt
from chatkeep.llm.chunks import CallDelta, Choice, Chunk, FunctionDelta, MessageDelta, TokenCounts
from chatkeep.settings.models_file import ModelInput

Line: TypeAlias = Chunk | Sequence[Chunk] | asyncio.Event | Exception
"""A chunk (or what one read brought), an event to wait for, or a failure."""


def say(text: str) -> Chunk:
    """Return a piece of text."""
    return Chunk([Choice(MessageDelta(content=text))])


def think(text: str) -> Chunk:
    """Return a piece of the model's reasoning."""
    return Chunk([Choice(MessageDelta(reasoning_content=text))])


def call(
    name: str | None, arguments: str | dict[str, Any] | None, index: int | None = 0, call_id: str | None = None
) -> Chunk:
    """Return a piece of a function call."""
    return Chunk([Choice(MessageDelta(tool_calls=[CallDelta(index, call_id, FunctionDelta(name, arguments))]))])


def stop(reason: str = "stop", tokens: tuple[int, int] | None = None) -> Chunk:
    """Return the end of an answer, with the provider's count of tokens (prompt, completion)."""
    return Chunk([Choice(None, reason)], TokenCounts(*tokens) if tokens else None)


class Script:
    """Plays one scene for each prompt, and records the `prompts`. `closed` counts the streams that have ended."""

    def __init__(self, *scenes: Sequence[Line]) -> None:
        self.scenes = list(scenes)
        self.prompts: list[Prompt] = []
        self.closed = 0
        self.input: Sequence[ModelInput] = ("text", "image")

    def play(self, *scenes: Sequence[Line]) -> None:
        """Set the scenes to play from now on."""
        self.scenes = list(scenes)

    def name(self, requested: str) -> str:
        return requested

    def describe(self, requested: str) -> ModelInfo:
        return ModelInfo("scripted", requested, input=self.input)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        self.prompts.append(prompt)
        scene = self.scenes.pop(0) if self.scenes else [say("Nothing more to say."), stop()]
        try:
            for line in scene:
                match line:
                    case asyncio.Event():
                        await line.wait()
                    case Exception():
                        raise line
                    case Chunk():
                        yield [line]
                    case _:
                        yield line
        finally:
            self.closed += 1

    async def close(self) -> None:
        pass
