"""The table `runs`, of those that wait for the client: its column `deadline` and what goes with it."""

from typing import Any, NamedTuple

from chatkeep.chat.types import Run
from chatkeep.db import Transaction
from chatkeep.store.leases import Lease
from chatkeep.store.runs import COLUMNS, request_from_json, run_from_row


class WaitingRun(NamedTuple):
    """A run that waits for the client, and what its turn was given."""

    run: Run
    request: dict[str, Any]


async def set_waiting(tx: Transaction, run_id: str, deadline: str) -> int:
    """Let an open run wait for the client until `deadline`; the position of the event that says so."""
    row = await tx.one(
        """UPDATE runs
              SET status = 'requires_action', position = position + 1, deadline = $2, worker = NULL, lease_until = NULL
            WHERE id = $1 AND status = 'in_progress'
        RETURNING position""",
        run_id,
        deadline,
    )
    assert row is not None, "the fence was passed in this transaction"
    return row[0]


async def lock_waiting(tx: Transaction, run_id: str) -> WaitingRun | None:
    """A run that waits for the client, kept from all others until this transaction ends; None when it does not.

    Its session is locked first, in the order of all locks, so that nobody takes the run for one that waits still.
    """
    await tx.run(
        "UPDATE sessions SET updated_at = updated_at WHERE id = (SELECT session_id FROM runs WHERE id = $1)", run_id
    )
    row = await tx.one(
        f"""UPDATE runs
              SET attempt = attempt
            WHERE id = $1 AND status = 'requires_action'
        RETURNING {COLUMNS}, request""",
        run_id,
    )
    return WaitingRun(run_from_row(row), request_from_json(row[-1])) if row else None


async def set_in_progress(tx: Transaction, run_id: str, position: int, lease: Lease) -> Run:
    """Let a run that waited go on: the fence is raised, so that whoever carries it now is the only one."""
    row = await tx.one(
        f"""UPDATE runs
              SET attempt = attempt + 1, status = 'in_progress', position = $2, deadline = NULL,
                  worker = $3, lease_until = $4
            WHERE id = $1
        RETURNING {COLUMNS}""",
        run_id,
        position,
        lease.worker,
        lease.until,
    )
    assert row is not None, "the run is locked in this transaction"
    return run_from_row(row)


async def list_overdue(tx: Transaction, now: str) -> list[str]:
    """The ids of the runs whose client has not answered in time, those that waited longest first."""
    rows = await tx.all(
        """SELECT id FROM runs
            WHERE status = 'requires_action' AND deadline <= $1 ORDER BY deadline, id LIMIT 100""",
        now,
    )
    return [row[0] for row in rows]


async def find_next_deadline(tx: Transaction, now: str) -> str | None:
    """The first deadline after `now`; None when no run waits for one."""
    row = await tx.one(
        """SELECT deadline FROM runs
            WHERE status = 'requires_action' AND deadline > $1 ORDER BY deadline LIMIT 1""",
        now,
    )
    return row[0] if row else None
