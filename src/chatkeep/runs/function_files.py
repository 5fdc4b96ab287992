"""Stores the files that functions return, while their run is going on.

1. The bytes are stored first, once for each owner and content; then the reference from the answer; then the call's end
   is written with the file in it. A process that dies in between leaves a file without a use, which is swept, or one
   that lives as long as the session. No answer shows a file that is not there.
2. A session that is deleted in the meantime gets no reference: its row is locked, as its removal locks it.
"""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from chatkeep.chat.types import FilePart, Run
from chatkeep.db import Transaction, can_be_repeated
from chatkeep.errors import NotFound, Refused
from chatkeep.files.names import clean_name
from chatkeep.runs.files import IncomingFile, receive_file
from chatkeep.runs.runtime import Runtime
from chatkeep.store import sessions as store_sessions
from chatkeep.store.message_files import MessageKey, add_reference
from chatkeep.tools.declaration import ToolError
from chatkeep.tools.file import File, SaveFile

PIECE_BYTES = 262_144


def saving_files(runtime: Runtime, owner: str, run: Run) -> SaveFile:
    """Return what stores the files that functions of `run` return, for `owner`, whose session it is."""

    async def save(file: File) -> FilePart:
        try:
            incoming = IncomingFile(file.name, file.media_type)
            stored = (await receive_file(runtime, owner, _pieces(file.content), incoming)).file
            await runtime.db.transaction(lambda tx: _refer(tx, owner, run, stored.id))
        except Refused as refusal:
            raise ToolError(f"the file {file.name!r} cannot be kept: {refusal}") from refusal
        size = (stored.bytes, stored.width, stored.height, stored.pages)
        return FilePart(stored.id, clean_name(file.name), stored.media_type, *size)

    return save


async def _refer(tx: Transaction, owner: str, run: Run, file_id: str) -> None:
    tx.prove(can_be_repeated)
    await store_sessions.lock(tx, run.session_id)
    if await store_sessions.find_session(tx, owner, run.session_id) is None:
        raise NotFound("the session is gone")
    await add_reference(tx, owner, MessageKey(run.session_id, run.message_id), file_id)


async def _pieces(content: bytes | Path) -> AsyncGenerator[bytes]:
    if isinstance(content, bytes):
        for begin in range(0, len(content), PIECE_BYTES):
            yield content[begin : begin + PIECE_BYTES]
        return
    with await asyncio.to_thread(content.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
