"""The column `log_kept` of the table `runs`: the logs that are still stored. After the retention they are not."""

from collections.abc import Iterable

from chatkeep import ids
from chatkeep.chat.types import Run, RunKey
from chatkeep.db import Transaction, can_be_repeated
from chatkeep.store.runs import COLUMNS, run_from_row


async def has_log(tx: Transaction, run: RunKey) -> bool:
    """Return True if the run's log is kept."""
    row = await tx.one(
        "SELECT log_kept FROM runs WHERE session_key = $1 AND number = $2", ids.session_key(run.session_id), run.number
    )
    return bool(row and row[0])


async def find_expired(tx: Transaction, session_id: str, number: int, position: int) -> Run | None:
    """Return the session's first run that has events after `position` of run `number`, but no log any more.

    None: all logs from there on are kept.
    """
    row = await tx.one(
        f"""SELECT {COLUMNS} FROM runs
             WHERE session_key = $1 AND log_kept = FALSE AND (number > $2 OR (number = $2 AND position > $3))
             ORDER BY number LIMIT 1""",
        ids.session_key(session_id),
        number,
        position,
    )
    return run_from_row(session_id, row) if row else None


async def list_expired_logs(tx: Transaction, ended_before: str, limit: int) -> list[RunKey]:
    """Return the runs that ended before the time `ended_before` and whose log is still kept.

    At most `limit`, the longest ended first.
    """
    rows = await tx.all(
        """SELECT s.id, r.number
             FROM runs r JOIN sessions s ON s.session_key = r.session_key
            WHERE r.log_kept = TRUE AND r.finished_at IS NOT NULL AND r.finished_at < $1
            ORDER BY r.finished_at, r.id LIMIT $2""",
        ended_before,
        limit,
    )
    return [RunKey(*row) for row in rows]


async def mark_logs_deleted(tx: Transaction, runs: Iterable[RunKey]) -> None:
    """Store that the logs of `runs` are no longer kept."""
    keys = [(ids.session_key(run.session_id), run.number) for run in runs]
    await tx.many("UPDATE runs SET log_kept = FALSE WHERE session_key = $1 AND number = $2", keys)
    tx.prove(can_be_repeated)
