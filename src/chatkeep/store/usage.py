"""The usage of all runs, for reports: read page by page, since there may be millions."""

from typing import NamedTuple

from chatkeep.db import Transaction

PAGE_SIZE = 2_000
"""Runs that are read at once."""


class RunUsage(NamedTuple):
    """The usage of one run, by its place in the table. `cost` is in 10⁻⁹ of the currency, None if it is not known."""

    session_key: int
    number: int
    created_at: str
    model: str
    status: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: int | None


async def list_usage(tx: Transaction, after: tuple[int, int]) -> list[RunUsage]:
    """Return the next page of runs after this (session_key, number), of all owners: sorted by session, not by time."""
    rows = await tx.all(
        """SELECT session_key, number, created_at, model, status, input_tokens, cached_input_tokens, output_tokens,
                  reasoning_tokens, cost
             FROM runs
            WHERE (session_key, number) > ($1, $2)
            ORDER BY session_key, number
            LIMIT $3""",
        *after,
        PAGE_SIZE,
    )
    return [RunUsage(*row) for row in rows]
