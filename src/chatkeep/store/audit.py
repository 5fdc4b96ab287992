"""The table `audit`: what was done about users. It holds ids and numbers, never content and never a secret."""

import json

from chatkeep import ids
from chatkeep.chat.people import AuditEntry
from chatkeep.db import Transaction, can_be_repeated


async def add_entry(
    tx: Transaction, actor: str, action: str, object_id: str, peer: str | None = None, **detail: str | int
) -> None:
    """Store that `actor` has done `action` to the user or token `object_id` now."""
    tx.prove(can_be_repeated)
    await tx.run(
        "INSERT INTO audit (id, at, actor, action, object, detail, peer) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        ids.new(),
        await tx.now(),
        actor,
        action,
        object_id,
        json.dumps(detail),
        peer,
    )


async def delete_before(tx: Transaction, before: str) -> int:
    """Delete the entries before the id `before`; return how many there were."""
    tx.prove(can_be_repeated)
    return len(await tx.all("DELETE FROM audit WHERE id < $1 RETURNING id", before))


async def list_entries(tx: Transaction, limit: int, before: str) -> list[AuditEntry]:
    """Return at most `limit` entries, newest first; only those before the id `before`."""
    rows = await tx.all(
        "SELECT id, at, actor, action, object, detail, peer FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2",
        before,
        limit,
    )
    return [AuditEntry(*row[:5], detail=json.loads(row[5]), peer=row[6]) for row in rows]
