"""The text of a message as one string, for prompts, titles, search and everything else that joins its parts. Pure."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from chatkeep.chat.types import FilePart, HandoverPart, Part, RefusalPart, StepPart, TextPart

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
