"""Removes deleted sessions in small steps. To delete all rows of a large one at once would hold up every other writer.

1. A client's deletion marks the session (`sessions.delete_session`): from then on it belongs to no owner. All reads go
   by owner, so that none finds it. Its id stays taken.
2. Then its rows are removed, page by page, each page in a transaction: children before the rows that they refer to, the
   newest first. A process that stops in between has lost nothing: the mark is stored, and any process goes on.
3. The session's own row goes last. Then its id is free.
"""

from typing import LiteralString, NamedTuple

from chatkeep import ids
from chatkeep.db import Transaction, can_be_repeated
from chatkeep.store.former_ids import delete_former_ids
from chatkeep.store.message_files import remove_references
from chatkeep.store.sessions import NO_OWNER, list_sessions

PAGE_ROWS = 200
"""The most rows that one transaction removes."""
PAGE_SESSIONS = 100
"""The most sessions that `list_deleted` returns."""


class Table(NamedTuple):
    """A table with rows of sessions, as the statements that find the newest rows of one and delete them.

    `key_columns` is how many columns of what `select` returns are the key that `delete` takes. An id comes after it.
    """

    select: LiteralString
    delete: LiteralString
    key_columns: int = 1


TABLES = (
    Table(
        """SELECT run_number, position FROM run_events
            WHERE session_key = $1 ORDER BY run_number DESC, position DESC LIMIT $2""",
        "DELETE FROM run_events WHERE session_key = $1 AND (run_number, position) >= ($2, $3)",
        key_columns=2,
    ),
    Table(
        """SELECT run_number, number FROM model_calls
            WHERE session_key = $1 ORDER BY run_number DESC, number DESC LIMIT $2""",
        "DELETE FROM model_calls WHERE session_key = $1 AND (run_number, number) >= ($2, $3)",
        key_columns=2,
    ),
    Table(
        "SELECT number, id FROM runs WHERE session_key = $1 ORDER BY number DESC LIMIT $2",
        "DELETE FROM runs WHERE session_key = $1 AND number >= $2",
    ),
    Table(
        "SELECT seq, id FROM messages WHERE session_key = $1 ORDER BY seq DESC LIMIT $2",
        "DELETE FROM messages WHERE session_key = $1 AND seq >= $2",
    ),
    Table(
        "SELECT hash FROM session_prompts WHERE session_key = $1 ORDER BY hash DESC LIMIT $2",
        "DELETE FROM session_prompts WHERE session_key = $1 AND hash >= $2",
    ),
)
"""All tables with rows of sessions, each before those that its rows refer to. References to files go before them."""


async def list_deleted(tx: Transaction) -> list[str]:
    """Return the ids of sessions that were deleted and are not gone yet: at most `PAGE_SESSIONS`."""
    return [session.id for session in await list_sessions(tx, NO_OWNER, PAGE_SESSIONS, None)]


async def remove_page(tx: Transaction, session_id: str) -> bool:
    """Remove the next rows of a deleted session, at most `PAGE_ROWS`. Return False if it is gone."""
    tx.prove(can_be_repeated)
    key, rest = ids.session_key(session_id), PAGE_ROWS
    if not await _lock_deleted(tx, key):
        return False
    rest -= await remove_references(tx, key, rest)
    if rest == 0:
        return True
    for table in TABLES:
        rows = await tx.all(table.select, key, rest)
        if rows:
            await tx.run(table.delete, key, *rows[-1][: table.key_columns])
            await delete_former_ids(tx, key, [item_id for row in rows for item_id in row[table.key_columns :]])
        rest -= len(rows)
        if rest == 0:
            return True
    await tx.run("DELETE FROM sessions WHERE session_key = $1", key)
    return False


async def _lock_deleted(tx: Transaction, session_key: int) -> bool:
    """Lock the row of a deleted session until the transaction ends. Return False if there is none."""
    row = await tx.one(
        "UPDATE sessions SET head_id = NULL WHERE session_key = $1 AND owner = $2 RETURNING id", session_key, NO_OWNER
    )
    return row is not None
