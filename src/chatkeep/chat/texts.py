"""The text of a message as one string, for prompts, titles, search and everything else that joins its parts. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias, cast

from chatkeep.chat.types import FilePart, HandoverPart, Part, RefusalPart, StepPart, TextPart, ToolCallPart

TextKinds: TypeAlias = type[TextPart] | tuple[type[TextPart | RefusalPart], ...]


def join_texts(parts: Iterable[Part], separator: str, kinds: TextKinds = TextPart) -> str:
    """Return the texts of those `parts` that are of `kinds`, with `separator` between them; blank ones are left out.

    Nothing comes between the two sides of a handover within one step: a word that was cut at the seam is whole.
    """
    texts: list[str] = []
    goes_on = False  # the next text belongs to the last one
    has_text = False  # of this step
    for part in parts:
        if isinstance(part, HandoverPart):
            goes_on = has_text
        elif isinstance(part, StepPart):
            goes_on = has_text = False
        elif isinstance(part, kinds):
            texts[len(texts) - goes_on :] = [texts[-1] + part.text if goes_on else part.text]
            goes_on, has_text = False, True
    return separator.join(text for text in texts if text.strip())


def text_or_names(parts: Sequence[Part]) -> str:
    """Return the texts of a user's message; if it has none, the names of its files."""
    return join_texts(parts, "\n") or ", ".join(part.name for part in parts if isinstance(part, FilePart))


def join_shown(parts: Sequence[Part]) -> str:
    """Return all that a message shows, with single spaces: its texts, then names of files, arguments and outputs.

    That is what a search finds. The model's thinking is not among it. The output of a reply is its arguments.
    """
    shown = [join_texts(parts, " ", (TextPart, RefusalPart))]
    for part in parts:
        if isinstance(part, FilePart):
            shown.append(part.name)
        elif isinstance(part, ToolCallPart):
            shown += _strings(part.arguments if part.arguments is not None else part.arguments_text)
            shown += _strings(part.output) if part.output != part.arguments else ()
    return " ".join(" ".join(shown).split())


def _strings(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, in order. By a stack, since a model may nest it deeply."""
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack.extend(reversed(list(cast("dict[str, Any]", item).values())))
        elif isinstance(item, list):
            stack.extend(reversed(cast("list[Any]", item)))


def split_steps(parts: Iterable[Part]) -> list[list[Part]]:
    """Return the parts of an answer step by step, without the marks between them."""
    steps: list[list[Part]] = [[]]
    for part in parts:
        if isinstance(part, StepPart):
            steps.append([])
        else:
            steps[-1].append(part)
    return steps
