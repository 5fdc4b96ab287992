"""The table `holds`: a row for each run of an owner with limits, and what it takes of them while it is open.

    claim      add_hold: is_open, the tokens and the cost of its estimated input
    end        release_hold: not open, no tokens, no cost; what it has really used is in `usage_by_day` now
    an hour later, at the owner's next claim: the row goes

Both are written in the transaction that begins or ends the run. So no hold outlives its run,
and a process that dies leaves none behind.
"""

from typing import NamedTuple

from chatkeep.chat.limits import Used
from chatkeep.db import Transaction


class Hold(NamedTuple):
    """The tokens that a run takes of its owner's limits while it is open, and their cost in 10⁻⁹ of the currency."""

    tokens: int
    cost: int


NO_HOLD = Hold(0, 0)


async def add_hold(tx: Transaction, owner: str, run_id: str, hold: Hold) -> None:
    """Add the row of a new run."""
    await tx.run(
        "INSERT INTO holds (owner, run_id, made_at, is_open, tokens, cost) VALUES ($1, $2, $3, TRUE, $4, $5)",
        owner,
        run_id,
        await tx.now(),
        *hold,
    )


async def find_hold(tx: Transaction, owner: str, run_id: str) -> Hold:
    """Return what the owner's run holds now."""
    row = await tx.one("SELECT tokens, cost FROM holds WHERE owner = $1 AND run_id = $2", owner, run_id)
    return Hold(*row) if row else NO_HOLD


async def release_hold(tx: Transaction, owner: str, run_id: str) -> None:
    """Release what the run holds, if it holds anything: it has ended."""
    await tx.run(
        "UPDATE holds SET is_open = FALSE, tokens = 0, cost = 0 WHERE owner = $1 AND run_id = $2", owner, run_id
    )


async def delete_old(tx: Transaction, owner: str, before: str) -> None:
    """Delete the rows of the owner's ended runs that were begun before the time `before`."""
    await tx.run("DELETE FROM holds WHERE owner = $1 AND is_open = FALSE AND made_at < $2", owner, before)


async def read_used(tx: Transaction, owner: str, hour_ago: str, day: str) -> Used:
    """Return what the owner has used. `hour_ago` is the time an hour ago, `day` the day of today.

    It is one statement, so that a run which ends meanwhile is counted once: as held or as used.
    """
    row = await tx.one(
        """SELECT held.open_runs, held.messages, held.tokens + counted.tokens, held.cost + counted.cost
             FROM (SELECT COUNT(*) FILTER (WHERE is_open) AS open_runs,
                          COUNT(*) FILTER (WHERE made_at > $2) AS messages,
                          CAST(COALESCE(SUM(tokens), 0) AS BIGINT) AS tokens,
                          CAST(COALESCE(SUM(cost), 0) AS BIGINT) AS cost
                     FROM holds WHERE owner = $1) AS held
             CROSS JOIN
                  (SELECT CAST(COALESCE(SUM(input_tokens + output_tokens), 0) AS BIGINT) AS tokens,
                          CAST(COALESCE(SUM(cost), 0) AS BIGINT) AS cost
                     FROM usage_by_day WHERE owner = $1 AND day = $3) AS counted""",
        owner,
        hour_ago,
        day,
    )
    assert row is not None, "sums have a row"
    return Used(*row)


async def find_begin(tx: Transaction, owner: str, number: int) -> str | None:
    """Return when the owner's `number`th run from the newest was begun, from 1; None if there are not so many."""
    row = await tx.one(
        "SELECT made_at FROM holds WHERE owner = $1 ORDER BY made_at DESC LIMIT 1 OFFSET $2", owner, number - 1
    )
    return row[0] if row else None


async def move_holds(tx: Transaction, from_owner: str, to_owner: str) -> None:
    """Give all holds of one owner to another."""
    await tx.run(
        """INSERT INTO holds (owner, run_id, made_at, is_open, tokens, cost)
           SELECT $2, run_id, made_at, is_open, tokens, cost FROM holds WHERE owner = $1 ON CONFLICT DO NOTHING""",
        from_owner,
        to_owner,
    )
    await delete_holds(tx, from_owner)


async def delete_holds(tx: Transaction, owner: str) -> None:
    """Delete all holds of an owner."""
    await tx.run("DELETE FROM holds WHERE owner = $1", owner)
