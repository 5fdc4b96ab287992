"""The usage of all runs, for reports: read page by page, since there may be millions."""

from typing import NamedTuple

from chatkeep.db import Transaction

PAGE_SIZE = 2_000
"""Runs that are read at once."""


class RunUsage(NamedTuple):
    """The usage of one run. `cost` is in 10⁻⁹ of the currency, None if a price is not known."""

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


async def list_usage(tx: Transaction, since: str, after: tuple[int, int]) -> list[RunUsage]:
    """Return the next page of the runs made at the time `since` or later, of all owners, session by session.

    `after` is the (session_key, number) of the last run of the page before; (-1, 0) for the first page. No index has
    the runs by time, so that all pages together walk once through all runs.
    """
    rows = await tx.all(
        """SELECT session_key, number, created_at, model, status, input_tokens, cached_input_tokens, output_tokens,
                  reasoning_tokens, cost
             FROM runs
            WHERE (session_key, number) > ($2, $3) AND created_at >= $1
            ORDER BY session_key, number
            LIMIT $4""",
        since,
        *after,
        PAGE_SIZE,
    )
    return [RunUsage(*row) for row in rows]
