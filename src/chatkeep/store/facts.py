"""The table `facts`: a row for each sentence that an owner asked to be remembered. Newer facts have larger ids."""

from typing import NamedTuple

from chatkeep import ids
from chatkeep.chat.types import Fact
from chatkeep.db import Row, Transaction, can_be_repeated


class FactInsert(NamedTuple):
    """The result of `add_fact`: the fact as it is stored. `is_new` is false if the owner had it already."""

    fact: Fact
    is_new: bool


async def add_fact(tx: Transaction, owner: str, fact: Fact) -> FactInsert:
    """Store a fact of the owner. If there is one in the same words, return that one instead."""
    tx.prove(can_be_repeated)
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
    row = await tx.one("SELECT id, text, created_at FROM facts WHERE owner = $1 AND text = $2", owner, fact.text)
    assert row is not None, "the insert met this row"
    return FactInsert(_fact_from_row(row), is_new=False)


async def count_facts(tx: Transaction, owner: str) -> int:
    """Return the number of the owner's facts."""
    row = await tx.one("SELECT COUNT(*) FROM facts WHERE owner = $1", owner)
    return row[0] if row else 0


async def list_facts(tx: Transaction, owner: str, limit: int, before: str | None = None) -> list[Fact]:
    """Return at most `limit` facts of the owner, newest first; only those older than the fact with the id `before`."""
    rows = await tx.all(
        "SELECT id, text, created_at FROM facts WHERE owner = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        owner,
        before or ids.LARGEST,
        limit,
    )
    return [_fact_from_row(row) for row in rows]


async def delete_fact(tx: Transaction, owner: str, fact_id: str) -> bool:
    """Delete a fact of the owner. Return False if there is none."""
    tx.prove(can_be_repeated)
    return await tx.one("DELETE FROM facts WHERE id = $1 AND owner = $2 RETURNING id", fact_id, owner) is not None


async def delete_facts(tx: Transaction, owner: str) -> int:
    """Delete all facts of the owner, and return how many they were."""
    tx.prove(can_be_repeated)
    return len(await tx.all("DELETE FROM facts WHERE owner = $1 RETURNING id", owner))


def _fact_from_row(row: Row) -> Fact:
    return Fact(id=row[0], text=row[1], created_at=row[2])
