"""The table `facts`: what users asked to be remembered. Ids are made in order: the newest come last."""

from typing import NamedTuple

from chatkeep.chat.types import Fact
from chatkeep.db import Row, Transaction

_LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class FactInsert(NamedTuple):
    """A fact, and whether it is new: the same words are kept once."""

    fact: Fact
    is_new: bool


async def add_fact(tx: Transaction, owner: str, fact: Fact) -> FactInsert:
    """Keep a fact; one in the same words is kept as it was."""
    row = await tx.one(
        """INSERT INTO facts (id, owner, text, created_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (owner, text) DO NOTHING
           RETURNING id""",
        fact.id,
        owner,
        fact.text,
        fact.created_at,
    )
    if row is not None:
        return FactInsert(fact, is_new=True)
    known = await tx.one("SELECT id, text, created_at FROM facts WHERE owner = $1 AND text = $2", owner, fact.text)
    assert known is not None, "it is what the insert met"
    return FactInsert(_fact(known), is_new=False)


async def count_facts(tx: Transaction, owner: str) -> int:
    """How many facts the owner has."""
    row = await tx.one("SELECT COUNT(*) FROM facts WHERE owner = $1", owner)
    return row[0] if row else 0


async def list_facts(tx: Transaction, owner: str, limit: int, before: str | None = None) -> list[Fact]:
    """The owner's facts, newest first; those before the one with the id `before`."""
    rows = await tx.all(
        "SELECT id, text, created_at FROM facts WHERE owner = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        owner,
        before or _LAST,
        limit,
    )
    return [_fact(row) for row in rows]


async def delete_fact(tx: Transaction, owner: str, fact_id: str) -> bool:
    """Forget a fact of the owner's; False when there is none."""
    return await tx.one("DELETE FROM facts WHERE id = $1 AND owner = $2 RETURNING id", fact_id, owner) is not None


def _fact(row: Row) -> Fact:
    return Fact(id=row[0], text=row[1], created_at=row[2])
