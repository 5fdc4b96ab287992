"""Temporary sessions: rows of `sessions` that stand in no list and no search, and are deleted after a while."""

from collections.abc import Sequence

from chatkeep import ids
from chatkeep.db import Transaction, can_be_repeated
from chatkeep.store.search_backlog import add_temporary
from chatkeep.store.sessions import NO_OWNER


async def keep_temporary(tx: Transaction, owner: str) -> None:
    """Make the owner's temporary sessions lasting ones, so that they are found in the list, and later by a search."""
    await add_temporary(tx, owner)
    await tx.run("UPDATE sessions SET temporary = FALSE WHERE owner = $1 AND temporary = TRUE", owner)
    tx.prove(can_be_repeated)


async def list_outdated(tx: Transaction, used_before: str, limit: int) -> list[str]:
    """Return the ids of temporary sessions that were last used before a time and have no open run: at most `limit`."""
    rows = await tx.all(
        """SELECT s.id
             FROM sessions s
            WHERE s.temporary = TRUE AND s.updated_at < $1
              AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.session_key = s.session_key
                                 AND r.status IN ('in_progress', 'requires_action'))
            ORDER BY s.updated_at LIMIT $2""",
        used_before,
        limit,
    )
    return [session_id for (session_id,) in rows]


async def delete_outdated(tx: Transaction, session_ids: Sequence[str], used_before: str) -> None:
    """Delete those of the temporary sessions that were not used since they were listed; see `delete_session`."""
    now = await tx.now()
    await tx.many(
        """UPDATE sessions SET owner = $3, head_id = NULL, deleted_at = $4, temporary = FALSE
            WHERE session_key = $1 AND temporary = TRUE AND updated_at < $2""",
        [(ids.session_key(each), used_before, NO_OWNER, now) for each in session_ids],
    )
    tx.prove(can_be_repeated)
