"""Reads all that an owner has, in an order that does not change when it is brought in elsewhere."""

from typing import NamedTuple

from chatkeep import ids
from chatkeep.db import Transaction


class UsedSession(NamedTuple):
    """When a session was last used, its id, and its key: by the first two, exports are in order."""

    updated_at: str
    id: str
    key: int


FIRST = UsedSession("0001-01-01T00:00:00.000000Z", ids.SMALLEST, 0)
"""It comes before all sessions."""


async def list_used_after(tx: Transaction, owner: str, last: UsedSession, limit: int) -> list[UsedSession]:
    """Return the owner's sessions after `last`, the longest unused first, without temporary ones: at most `limit`."""
    rows = await tx.all(
        """SELECT s.updated_at, s.id, s.session_key FROM sessions s
            WHERE s.owner = $1 AND s.temporary = FALSE AND (s.updated_at, s.id) > ($2, $3)
            ORDER BY s.updated_at, s.id LIMIT $4""",
        owner,
        last.updated_at,
        last.id,
        limit,
    )
    return [UsedSession(*row) for row in rows]
