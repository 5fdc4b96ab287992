"""The table `limits`: the limits that users have of their own. Where they have none, those of the settings hold.

The row of an owner is also the lock that puts their claims in line (`runs/quota.py`). So it may have no limit at all.
"""

from chatkeep.chat.limits import NO_LIMITS, Limits
from chatkeep.db import Transaction, can_be_repeated


async def find_own(tx: Transaction, owner: str) -> Limits:
    """Return the owner's own limits."""
    row = await tx.one("SELECT open_runs, messages_hour, tokens_day, cost_day FROM limits WHERE owner = $1", owner)
    return Limits(*row) if row else NO_LIMITS


async def list_own(tx: Transaction, first_owner: str, last_owner: str) -> dict[str, Limits]:
    """Return the own limits of the owners from one id to another, by owner; those without any may be left out."""
    rows = await tx.all(
        "SELECT owner, open_runs, messages_hour, tokens_day, cost_day FROM limits WHERE owner BETWEEN $1 AND $2",
        first_owner,
        last_owner,
    )
    return {row[0]: Limits(*row[1:]) for row in rows}


async def lock_own(tx: Transaction, owner: str) -> Limits:
    """Return the owner's own limits, locked until the transaction ends."""
    row = await tx.one(
        """INSERT INTO limits (owner) VALUES ($1) ON CONFLICT (owner) DO UPDATE SET owner = excluded.owner
           RETURNING open_runs, messages_hour, tokens_day, cost_day""",
        owner,
    )
    assert row is not None, "the row was added, or is there"
    return Limits(*row)


async def set_own(tx: Transaction, owner: str, limits: Limits) -> None:
    """Give the owner these limits of their own, and no others."""
    tx.prove(can_be_repeated)
    await tx.run(
        """INSERT INTO limits (owner, open_runs, messages_hour, tokens_day, cost_day) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (owner) DO UPDATE
           SET open_runs = excluded.open_runs, messages_hour = excluded.messages_hour,
               tokens_day = excluded.tokens_day, cost_day = excluded.cost_day""",
        owner,
        limits.open_runs,
        limits.messages_hour,
        limits.tokens_day,
        limits.cost_day,
    )


async def delete_own(tx: Transaction, owner: str) -> None:
    """Delete the owner's own limits."""
    tx.prove(can_be_repeated)
    await tx.run("DELETE FROM limits WHERE owner = $1", owner)
