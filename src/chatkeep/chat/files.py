"""The files of messages. Pure."""

from collections.abc import Iterator

from chatkeep.chat.types import FilePart, Message, Part, ToolCallPart


def files_of(message: Message) -> Iterator[FilePart]:
    """Yield the files of a message: the user's, and those that its functions returned."""
    for part in message.parts:
        yield from files_in(part)


def files_in(part: Part) -> Iterator[FilePart]:
    """Yield the file that a part is, or the files that its function returned."""
    if isinstance(part, FilePart):
        yield part
    elif isinstance(part, ToolCallPart):
        yield from part.files or ()
