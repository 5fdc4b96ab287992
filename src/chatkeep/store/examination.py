"""Statements of `chatkeep doctor`: what the constraints of the schema do not exclude, by session and by file.

A session that is being removed is left out: half of its rows may be gone already.
"""

from typing import NamedTuple

from chatkeep import ids
from chatkeep.chat.types import RunKey
from chatkeep.db import Transaction
from chatkeep.store.files import FileKey

PAGE_SESSIONS = 100
"""Sessions that are read at once."""
PAGE_FILES = 500
"""Files that are read at once."""
FIRST_FILE = FileKey("", ids.SMALLEST)
"""The key before every file's."""


class SessionRows(NamedTuple):
    """A session's counters and head, and the rows that they have to fit.

    `last_seq` and `last_run`: the greatest `seq` of a message and number of a run, 0 without any. `unordered`: messages
    that do not come after their parent.
    """

    session_key: int
    session_id: str
    next_message: int
    next_run: int
    head_id: str | None
    last_seq: int
    last_run: int
    unordered: int


class RunRow(NamedTuple):
    """A run that has ended, and the message that is its answer. `position`: how far its log has come."""

    key: RunKey
    run_id: str
    message_id: str
    position: int


class StoredFile(NamedTuple):
    """A file: its size, how many bytes of it are in the database, and if reads find it."""

    key: FileKey
    bytes: int
    in_database: int
    is_complete: bool


async def count_sessions(tx: Transaction) -> int:
    """Return how many sessions there are, of all owners."""
    row = await tx.one("SELECT count(*) FROM sessions WHERE deleted_at IS NULL")
    return row[0] if row else 0


async def list_sessions(tx: Transaction, after: int) -> list[SessionRows]:
    """Return the next `PAGE_SESSIONS` sessions, of all owners; `after` is the key of the last one, at first -1."""
    rows = await tx.all(
        """SELECT s.session_key, s.id, s.next_message, s.next_run, s.head_id,
                  (SELECT COALESCE(max(m.seq), 0) FROM messages m WHERE m.session_key = s.session_key),
                  (SELECT COALESCE(max(r.number), 0) FROM runs r WHERE r.session_key = s.session_key),
                  (SELECT count(*) FROM messages m
                     JOIN messages p ON p.session_key = s.session_key AND p.id = m.parent_id
                    WHERE m.session_key = s.session_key AND p.seq >= m.seq)
             FROM sessions s
            WHERE s.session_key > $1 AND s.deleted_at IS NULL
            ORDER BY s.session_key LIMIT $2""",
        after,
        PAGE_SESSIONS,
    )
    return [SessionRows(*row) for row in rows]


async def list_ended_runs(tx: Transaction, session_id: str) -> list[RunRow]:
    """Return the session's runs that have ended, in order."""
    rows = await tx.all(
        """SELECT number, id, message_id, position FROM runs
            WHERE session_key = $1 AND finished_at IS NOT NULL ORDER BY number""",
        ids.session_key(session_id),
    )
    return [RunRow(RunKey(session_id, row[0]), row[1], row[2], row[3]) for row in rows]


async def count_abandoned(tx: Transaction, before: str) -> int:
    """Return how many runs are in progress under a lease that has expired before that time."""
    row = await tx.one(
        "SELECT count(*) FROM runs WHERE status = 'in_progress' AND worker > '' AND lease_until < $1", before
    )
    return row[0] if row else 0


async def mend_session(tx: Transaction, session_key: int) -> None:
    """Set the counters after the session's rows; a session with messages and without a head gets its last one.

    As one statement, so that a message that is added meanwhile is not overlooked.
    """
    await tx.run(
        """UPDATE sessions
              SET next_message = (SELECT CASE WHEN COALESCE(max(seq), 0) < sessions.next_message
                                              THEN sessions.next_message ELSE max(seq) + 1 END
                                    FROM messages m WHERE m.session_key = sessions.session_key),
                  next_run = (SELECT CASE WHEN COALESCE(max(number), 0) < sessions.next_run
                                          THEN sessions.next_run ELSE max(number) + 1 END
                                FROM runs r WHERE r.session_key = sessions.session_key),
                  head_id = COALESCE(head_id, (SELECT m.id FROM messages m
                                                WHERE m.session_key = sessions.session_key ORDER BY m.seq DESC LIMIT 1))
            WHERE session_key = $1""",
        session_key,
    )


async def list_invalid_indexes(tx: Transaction) -> list[str]:
    """Return the names of indexes that PostgreSQL does not use, for example after a REINDEX that was cut off."""
    rows = await tx.all("SELECT CAST(CAST(indexrelid AS regclass) AS text) FROM pg_index WHERE NOT indisvalid")
    return [row[0] for row in rows]


async def list_files(tx: Transaction, after: FileKey) -> list[StoredFile]:
    """Return the next `PAGE_FILES` files of all owners after a key, also those that no read finds."""
    rows = await tx.all(
        """SELECT f.owner, f.id, f.bytes,
                  (SELECT COALESCE(sum(length(c.content)), 0) FROM file_chunks c
                    WHERE c.owner = f.owner AND c.file_id = f.id),
                  f.media_type
             FROM files f WHERE (f.owner, f.id) > ($1, $2) ORDER BY f.owner, f.id LIMIT $3""",
        *after,
        PAGE_FILES,
    )
    return [
        StoredFile(FileKey(owner, file_id), size, int(found), media_type is not None)
        for owner, file_id, size, found, media_type in rows
    ]
