"""A chat as Markdown: a heading for each message, and its text as it was written."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from chatkeep.agent.user_content import describe_file
from chatkeep.chat.files import files_of
from chatkeep.chat.texts import join_texts
from chatkeep.chat.types import Message, RefusalPart, Session, TextPart, ToolCallPart

UNTITLED = "Untitled"
"""Stands for the title of a chat that has none."""
SPEAKERS = {"user": "You", "assistant": "Assistant"}
"""The heading of a message, by its role."""
_FENCES = re.compile("`{3,}")


class MarkdownWriter:
    """Writes Markdown."""

    def begin(self, title: str) -> str:
        """Return nothing: each chat has a heading of its own."""
        del title
        return ""

    def begin_session(self, session: Session) -> str:
        """Return the heading of a chat."""
        return f"# {' '.join((session.title or UNTITLED).split())}\n\n"

    def message(self, message: Message) -> Iterable[str]:
        """Return a message."""
        blocks = "".join(f"{block}\n\n" for block in _blocks(message))
        return [f"## {SPEAKERS[message.role]}\n\n*{message.created_at}*\n\n{blocks}"]

    def end_session(self) -> str:
        """Return nothing."""
        return ""

    def end(self) -> str:
        """Return nothing."""
        return ""


def _blocks(message: Message) -> Iterator[str]:
    for file in files_of(message):
        yield f"[{describe_file(file)}]"
    if text := join_texts(message.parts, "\n\n", (TextPart, RefusalPart)):
        yield text
    for part in message.parts:
        if isinstance(part, ToolCallPart):
            yield f"Function `{part.name}`:"
            yield _fenced(part.arguments_text)
            if part.output is not None:
                yield _fenced(msgspec.json.encode(part.output).decode())
            if part.error is not None:
                yield part.error.message


def _fenced(text: str) -> str:
    """Return `text` in a fence that it cannot end."""
    longest = max((len(each) for each in _FENCES.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}json\n{text}\n{fence}"
