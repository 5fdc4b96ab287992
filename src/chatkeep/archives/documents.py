"""Exports for reading, and for other programs: the active branch of each session, written by a `Writer`.

A writer returns pieces: text, or a picture whose bytes come in its place, in base64.
"""

import base64
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import Protocol, TypeAlias

from chatkeep.archives.reading import read_messages
from chatkeep.chat.types import FilePart, Message, Session
from chatkeep.errors import NotFound
from chatkeep.runs import files
from chatkeep.runs.runtime import Runtime
from chatkeep.store.files import FileKey
from chatkeep.store.history import WholeHistory

Piece: TypeAlias = str | FilePart


class Writer(Protocol):
    """Writes one kind of document. Of each session, `begin_session` comes first and `end_session` last."""

    def begin(self, title: str) -> str:
        """Return what comes before all sessions."""
        ...

    def begin_session(self, session: Session) -> str:
        """Return what comes before the messages of a session."""
        ...

    def message(self, message: Message) -> Iterable[Piece]:
        """Return the pieces of a message."""
        ...

    def end_session(self) -> str:
        """Return what comes after the messages of a session."""
        ...

    def end(self) -> str:
        """Return what comes after all sessions."""
        ...


async def write_documents(
    runtime: Runtime, owner: str, histories: AsyncIterable[WholeHistory], writer: Writer, title: str
) -> AsyncGenerator[bytes]:
    """Yield the document. A session that is deleted meanwhile breaks off within it."""
    yield writer.begin(title).encode()
    async for whole in histories:
        yield writer.begin_session(whole.session).encode()
        try:
            async for page in read_messages(runtime, owner, whole):
                async for piece in _write_page(runtime, owner, writer, page):
                    yield piece
        except NotFound:
            pass  # what was read of it stays; there is no more
        yield writer.end_session().encode()
    yield writer.end().encode()


async def _write_page(runtime: Runtime, owner: str, writer: Writer, page: Iterable[Message]) -> AsyncGenerator[bytes]:
    texts: list[str] = []
    for message in page:
        for piece in writer.message(message):
            if isinstance(piece, str):
                texts.append(piece)
                continue
            yield "".join(texts).encode()
            texts.clear()
            async for more in _to_base64(files.read_pieces(runtime, FileKey(owner, piece.file_id))):
                yield more
    yield "".join(texts).encode()


async def _to_base64(pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    rest = b""
    async for piece in pieces:
        data = rest + piece
        end = len(data) - len(data) % 3  # three bytes are four characters
        rest = data[end:]
        yield base64.b64encode(data[:end])
    yield base64.b64encode(rest)
