"""The table `former_ids`: the session of each message and run whose id does not end with that session's key.

Those are ids from before migration 0006, and ids of imported rows. All others need no row: `ids.key_in` computes the
session's key. So either way one row of one server is asked, not all servers (`docs/decisions/0016-session-keys.md`).
"""

from collections.abc import Iterable

from chatkeep import ids
from chatkeep.db import Transaction


async def find_session_key(tx: Transaction, item_id: str) -> int:
    """Return the key of the session that a message or run with this id belongs to, if there is one at all."""
    row = await tx.one("SELECT session_key FROM former_ids WHERE id = $1", item_id)
    return row[0] if row else ids.key_in(item_id)


async def delete_former_ids(tx: Transaction, session_key: int, item_ids: Iterable[str]) -> None:
    """Delete the rows of a session's messages and runs. Most of these have none: it is only for ids without the key."""
    former = [(item_id,) for item_id in item_ids if ids.key_in(item_id) != session_key]
    await tx.many("DELETE FROM former_ids WHERE id = $1", former)
