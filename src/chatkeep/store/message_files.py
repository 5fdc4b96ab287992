"""The table `message_files`: which message refers to which file. What the message shows of a file is in its parts."""

from collections.abc import Iterable
from typing import NamedTuple

from chatkeep import ids
from chatkeep.chat.files import files_of
from chatkeep.chat.types import Message
from chatkeep.db import Transaction
from chatkeep.store.files import FileKey, lock_files, mark_unused, use_files


class MessageKey(NamedTuple):
    """By which the database finds a message."""

    session_id: str
    message_id: str


async def add_references(tx: Transaction, owner: str, *messages: Message) -> None:
    """Store which of the owner's files new messages refer to. Without any, nothing is asked of the database.

    Raises:
        NotFound: a file is not there any more.
    """
    used = [(message, file_id) for message in messages for file_id in sorted(_file_ids(message))]
    if not used:
        return
    await use_files(tx, owner, {file_id for _, file_id in used})
    rows = [(ids.session_key(message.session_id), message.id, file_id, owner) for message, file_id in used]
    await tx.many("INSERT INTO message_files (session_key, message_id, file_id, owner) VALUES ($1, $2, $3, $4)", rows)


async def add_reference(tx: Transaction, owner: str, message: MessageKey, file_id: str) -> None:
    """Store that an answer refers to a file of the owner, which one of its functions returned.

    Raises:
        NotFound: the file is not there any more.
    """
    await use_files(tx, owner, [file_id])
    await tx.run(
        """INSERT INTO message_files (session_key, message_id, file_id, owner) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING""",
        ids.session_key(message.session_id),
        message.message_id,
        file_id,
        owner,
    )


async def remove_references(tx: Transaction, session_key: int, limit: int) -> int:
    """Remove the last references of a deleted session, at most `limit`; return how many. Files may become unused."""
    rows = await tx.all(
        """SELECT message_id, file_id, owner FROM message_files
            WHERE session_key = $1 ORDER BY message_id DESC, file_id DESC LIMIT $2""",
        session_key,
        limit,
    )
    if rows:
        files = {FileKey(owner, file_id) for _, file_id, owner in rows}
        await lock_files(tx, files)
        await tx.run(
            "DELETE FROM message_files WHERE session_key = $1 AND (message_id, file_id) >= ($2, $3)",
            session_key,
            *rows[-1][:2],
        )
        await _mark_unused(tx, files)
    return len(rows)


async def drop_references(tx: Transaction, owner: str, message: Message, left: Message) -> None:
    """Remove the references to the owner's files that `message` has, and what is left of it has not."""
    file_ids = sorted(_file_ids(message) - _file_ids(left))
    if not file_ids:
        return
    files = [FileKey(owner, file_id) for file_id in file_ids]
    await lock_files(tx, files)
    key = ids.session_key(message.session_id)
    await tx.many(
        "DELETE FROM message_files WHERE session_key = $1 AND message_id = $2 AND file_id = $3",
        [(key, message.id, file_id) for file_id in file_ids],
    )
    await _mark_unused(tx, files)


async def move_references(tx: Transaction, from_owner: str, to_owner: str) -> None:
    """Store that the files of one owner are another's, where messages refer to them."""
    await tx.run(
        """UPDATE message_files SET owner = $2
            WHERE file_id IN (SELECT f.id FROM files f WHERE f.owner = $1) AND owner = $1""",
        from_owner,
        to_owner,
    )


def _file_ids(message: Message) -> set[str]:
    return {file.file_id for file in files_of(message)}


async def _mark_unused(tx: Transaction, files: Iterable[FileKey]) -> None:
    for key in sorted(files):
        if await tx.one("SELECT file_id FROM message_files WHERE file_id = $1 LIMIT 1", key.file_id) is None:
            await mark_unused(tx, key)
