"""Sums over the table `usage_by_day`, by day, model or user, page by page in the order of their keys.

Both days of a period are part of it. `after` is the key of the last sum of the page before; "" for the first page.
"""

from typing import NamedTuple

from chatkeep.chat.limits import UsageSum
from chatkeep.db import Row, Transaction

_SUMS = """CAST(SUM(runs) AS BIGINT), CAST(SUM(failures) AS BIGINT), CAST(SUM(input_tokens) AS BIGINT),
    CAST(SUM(cached_input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
    CAST(SUM(reasoning_tokens) AS BIGINT), CAST(SUM(cost) AS BIGINT), CAST(SUM(unpriced_calls) AS BIGINT)"""


class Period(NamedTuple):
    """Two days of UTC, `2026-11-30`."""

    first: str
    last: str


class DayAndModel(NamedTuple):
    """The usage of one model on one day, of all owners."""

    day: str
    sum: UsageSum


async def sum_own_by_day(tx: Transaction, owner: str, period: Period, after: str, limit: int) -> list[UsageSum]:
    """Return the owner's usage of each day."""
    rows = await tx.all(
        f"""SELECT day, {_SUMS} FROM usage_by_day WHERE owner = $1 AND day BETWEEN $2 AND $3 AND day > $4
             GROUP BY day ORDER BY day LIMIT $5""",
        owner,
        *period,
        after,
        limit,
    )
    return _sums(rows)


async def sum_own_by_model(tx: Transaction, owner: str, period: Period, after: str, limit: int) -> list[UsageSum]:
    """Return the owner's usage of each model."""
    rows = await tx.all(
        f"""SELECT model, {_SUMS} FROM usage_by_day WHERE owner = $1 AND day BETWEEN $2 AND $3 AND model > $4
             GROUP BY model ORDER BY model LIMIT $5""",
        owner,
        *period,
        after,
        limit,
    )
    return _sums(rows)


async def sum_by_day(tx: Transaction, period: Period, after: str, limit: int) -> list[UsageSum]:
    """Return the usage of each day, of all owners."""
    rows = await tx.all(
        f"""SELECT day, {_SUMS} FROM usage_by_day WHERE day BETWEEN $1 AND $2 AND day > $3
             GROUP BY day ORDER BY day LIMIT $4""",
        *period,
        after,
        limit,
    )
    return _sums(rows)


async def sum_by_model(tx: Transaction, period: Period, after: str, limit: int) -> list[UsageSum]:
    """Return the usage of each model, of all owners."""
    rows = await tx.all(
        f"""SELECT model, {_SUMS} FROM usage_by_day WHERE day BETWEEN $1 AND $2 AND model > $3
             GROUP BY model ORDER BY model LIMIT $4""",
        *period,
        after,
        limit,
    )
    return _sums(rows)


async def sum_by_user(tx: Transaction, period: Period, after: str, limit: int) -> list[UsageSum]:
    """Return the usage of each user; those who are gone are one of them (`usage.DELETED`)."""
    rows = await tx.all(
        f"""SELECT owner, {_SUMS} FROM usage_by_day WHERE day BETWEEN $1 AND $2 AND owner > $3
             GROUP BY owner ORDER BY owner LIMIT $4""",
        *period,
        after,
        limit,
    )
    return _sums(rows)


async def sum_by_day_and_model(tx: Transaction, first_day: str) -> list[DayAndModel]:
    """Return the usage of each model on each day from `first_day` on, of all owners."""
    rows = await tx.all(
        f"SELECT day, model, {_SUMS} FROM usage_by_day WHERE day >= $1 GROUP BY day, model ORDER BY day, model",
        first_day,
    )
    return [DayAndModel(row[0], UsageSum(*row[1:])) for row in rows]


def _sums(rows: list[Row]) -> list[UsageSum]:
    return [UsageSum(*row) for row in rows]
