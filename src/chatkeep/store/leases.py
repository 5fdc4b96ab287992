"""The table `runs`, of those that are being carried: who does, and until when that is sure.

`lease_until` is in no index, so that renewing it writes a row and nothing else (PostgreSQL: a HOT update).
"""

from collections.abc import Iterable
from typing import NamedTuple

from chatkeep.db import Transaction


class Lease(NamedTuple):
    """A process carries a run, and until `until` it need not be asked whether it lives."""

    worker: str
    until: str


class Progress(NamedTuple):
    """How far an open run has come since `begin`, as its owner knows it at a flush: the parameters of `advance`."""

    run_id: str
    attempt: int
    begin: int
    position: int
    input_tokens: int
    output_tokens: int
    usage_estimated: bool
    input_bytes: int
    finish_reason: str | None
    first_token_at: str | None


class LeasedRun(NamedTuple):
    """A run that somebody carries, or carried when it died."""

    run_id: str
    session_id: str
    worker: str


async def advance(tx: Transaction, batch: Iterable[Progress], lease_until: str) -> dict[str, int]:
    """The fence, first statement of every flush, which renews the leases as well: the runs that may go on, and the
    numbers of their logs.

    One that was closed or taken over since is not among them; nor is one whose log has come further than its owner
    knows, after a COMMIT whose outcome nobody could tell.
    """
    rows = await tx.returning(
        """UPDATE runs
              SET position = $4, input_tokens = $5, output_tokens = $6, usage_estimated = $7, input_bytes = $8,
                  finish_reason = $9, first_token_at = $10, lease_until = $11
            WHERE id = $1 AND attempt = $2 AND position = $3 AND status = 'in_progress'
        RETURNING id, log""",
        [(*each, lease_until) for each in batch],
    )
    return {row[0]: row[1] for row in rows}


async def list_leased(tx: Transaction) -> list[LeasedRun]:
    """All runs that somebody carries, or carried when it died."""
    rows = await tx.all(  # whoever it is: a condition that lets SQLite search the index `runs_by_worker`
        "SELECT id, session_id, worker FROM runs WHERE status = 'in_progress' AND worker > '' ORDER BY worker, id"
    )
    return [LeasedRun(*row) for row in rows]


async def list_expired(tx: Transaction, before: str) -> list[LeasedRun]:
    """The runs whose lease ended before the time given."""
    rows = await tx.all(
        """SELECT id, session_id, worker FROM runs
            WHERE status = 'in_progress' AND worker > '' AND lease_until < $1 ORDER BY worker, id LIMIT 500""",
        before,
    )
    return [LeasedRun(*row) for row in rows]


async def list_owned_ids(tx: Transaction, worker: str) -> set[str]:
    """The ids of the runs that `worker` carries, by the database's word."""
    rows = await tx.all("SELECT id FROM runs WHERE status = 'in_progress' AND worker = $1", worker)
    return {row[0] for row in rows}


async def break_lease(tx: Transaction, carried: LeasedRun, before: str | None) -> bool:
    """Raise the fence of a run, if it is still carried by the same, and its lease ended `before` (None: whenever)."""
    row = await tx.one(
        """UPDATE runs
              SET attempt = attempt + 1
            WHERE id = $1 AND status = 'in_progress' AND worker = $2 AND lease_until < $3
        RETURNING id""",
        carried.run_id,
        carried.worker,
        before or _END_OF_TIME,
    )
    return row is not None


_END_OF_TIME = "9999-12-31T23:59:59.999999Z"
