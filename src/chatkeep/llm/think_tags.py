"""Tells a model's thinking from its answer where both come as one text: `<think>…</think>` at its start. Pure.

Servers without a parser for a model's reasoning stream it so (Qwen, DeepSeek R1 and others behind llama.cpp, Ollama or
vLLM). Tags later in the text are the model's words: it may be explaining them.
"""

from typing import Literal, TypeAlias

_OPEN, _CLOSE = "<think>", "</think>"
MAX_HELD_CHARS = len(_CLOSE)
"""The most characters that are held back, because they may be the beginning of a tag."""

ThoughtKind: TypeAlias = Literal["text", "reasoning"]


class ThinkTags:
    """Splits one text. `feed` it each piece, then `finish` it.

    `is_plain` is True once every further piece is text of the answer as it stands, and need not be fed.
    """

    __slots__ = ("_held", "_is_over", "_is_trimming", "_is_within", "is_plain")

    def __init__(self) -> None:
        self.is_plain = False
        self._is_over = False  # all that comes is the answer
        self._is_within = False
        self._is_trimming = True  # blanks beside a tag belong to neither side
        self._held = ""

    def feed(self, piece: str) -> list[tuple[ThoughtKind, str]]:
        """Return the texts that `piece` completes, each with its kind."""
        text, self._held = self._held + piece, ""
        if not self._is_within and not self._is_over:
            if self._may_begin(text):
                self._held = text
                return []
            self._is_within = text.lstrip().startswith(_OPEN)
            self._is_over = not self._is_within
            if self._is_over:
                self._is_trimming, self.is_plain = False, True
                return [("text", text)]
            text = text.lstrip().removeprefix(_OPEN)
        return self._feed_within(text) if self._is_within else self._trim("text", text)

    def finish(self) -> list[tuple[ThoughtKind, str]]:
        """Return what was held back: it was no tag."""
        held, self._held = self._held, ""
        return [("reasoning" if self._is_within else "text", held)] if held else []

    def _feed_within(self, text: str) -> list[tuple[ThoughtKind, str]]:
        thought, tag, answer = text.partition(_CLOSE)
        if tag:
            texts = self._trim("reasoning", thought.rstrip())
            self._is_within, self._is_trimming, self._is_over = False, True, True
            return texts + self._trim("text", answer)
        start = next(place for place in range(max(0, len(text) - MAX_HELD_CHARS), len(text) + 1)
                     if _CLOSE.startswith(text[place:].lstrip()))  # fmt: skip
        self._held = text[start:]
        return self._trim("reasoning", text[:start])

    def _trim(self, kind: ThoughtKind, text: str) -> list[tuple[ThoughtKind, str]]:
        if self._is_trimming:
            text = text.lstrip()
            self._is_trimming = not text
            self.is_plain = self._is_over and not self._is_trimming
        return [(kind, text)] if text else []

    @staticmethod
    def _may_begin(text: str) -> bool:
        """Return True if `text`, the beginning of the answer, may still become an opening tag."""
        return len(text) < MAX_HELD_CHARS and _OPEN.startswith(text.lstrip()) and text.lstrip() != _OPEN
