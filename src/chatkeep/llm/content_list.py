"""Content that is a list of typed parts, as Mistral's reasoning models stream it. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

ContentKind: TypeAlias = Literal["text", "reasoning"]


def read_content_list(content: Iterable[Any]) -> Iterator[tuple[ContentKind, str]]:
    """Yield kind and text of each part of `content` that has any. Other parts are left out."""
    for item in content:
        match item:
            case str():
                yield "text", item
            case {"type": "thinking" | "reasoning", "thinking": [*thoughts]}:
                yield "reasoning", "".join(text for _, text in read_content_list(thoughts))
            case {"type": "thinking" | "reasoning", "thinking": str(text)}:
                yield "reasoning", text
            case {"type": "thinking" | "reasoning", "text": str(text)}:
                yield "reasoning", text
            case {"text": str(text)}:
                yield "text", text
            case _:
                continue
