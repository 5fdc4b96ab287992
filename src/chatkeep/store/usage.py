"""The usage of all runs, for reports: read page by page, since there may be millions."""

from typing import NamedTuple

from chatkeep.db import Transaction

PAGE_SIZE = 2_000
"""Runs that are read at once."""


class RunUsage(NamedTuple):
    """The usage of one run. `cost` is in 10⁻⁹ of the currency, None if a price is not known."""

    id: str
    created_at: str
    model: str
    status: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: int | None


async def list_usage(tx: Transaction, after_id: str) -> list[RunUsage]:
    """Return the next page of runs with an id after `after_id`, of all owners. Ids of runs sort by time (RFC 9562)."""
    rows = await tx.all(
        """SELECT id, created_at, model, status, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
                  cost
             FROM runs
            WHERE id > $1
            ORDER BY id
            LIMIT $2""",
        after_id,
        PAGE_SIZE,
    )
    return [RunUsage(*row) for row in rows]
