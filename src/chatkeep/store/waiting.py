"""The table `runs`, where `status` is `requires_action`: runs that wait for the client's outputs until `deadline`.

No worker owns a waiting run: it has no lease, and survives restarts.
"""

from typing import Any, NamedTuple

import msgspec

from chatkeep import ids
from chatkeep.chat.types import Run, RunKey
from chatkeep.db import Transaction
from chatkeep.store.leases import Lease
from chatkeep.store.runs import COLUMNS, request_from_json, run_from_row
from chatkeep.store.sessions import lock


class WaitingRun(NamedTuple):
    """A run that waits for the client, and the record of its turn spec."""

    run: Run
    request: dict[str, Any]


class Overdue(NamedTuple):
    """A run whose deadline has passed."""

    deadline: str
    run_id: str
    key: RunKey
    owner: str


BEFORE_ALL = Overdue("1970-01-01T00:00:00.000Z", ids.SMALLEST, RunKey("", 0), "")
"""Comes before every run in the order of `list_overdue`."""


async def set_waiting(tx: Transaction, run: RunKey, deadline: str) -> int:
    """Make a run in progress wait for the client until `deadline`, and end its lease.

    Return the position of its `run.waiting`, which the caller appends.
    """
    row = await tx.one(
        """UPDATE runs
              SET status = 'requires_action', position = position + 1, deadline = $3, worker = NULL, lease_until = NULL
            WHERE session_key = $1 AND number = $2 AND status = 'in_progress'
        RETURNING position""",
        ids.session_key(run.session_id),
        run.number,
        deadline,
    )
    assert row is not None, "the fence was passed in this transaction"
    return row[0]


async def lock_waiting(tx: Transaction, run: RunKey) -> WaitingRun | None:
    """Return a run that waits for the client, locked until this transaction ends; None if it does not wait.

    Its session is locked first, as in every transaction. So no other transaction still takes the run for a waiting one.
    """
    await lock(tx, run.session_id)
    row = await tx.one(
        f"""UPDATE runs
              SET attempt = attempt
            WHERE session_key = $1 AND number = $2 AND status = 'requires_action'
        RETURNING {COLUMNS}, request""",
        ids.session_key(run.session_id),
        run.number,
    )
    return WaitingRun(run_from_row(run.session_id, row), request_from_json(row[-1])) if row else None


async def set_in_progress(tx: Transaction, run: RunKey, position: int, lease: Lease) -> Run:
    """Resume a run that waited. Its fence is raised, so that only the worker of `lease` can write to it."""
    row = await tx.one(
        f"""UPDATE runs
              SET attempt = attempt + 1, status = 'in_progress', position = $3, deadline = NULL,
                  worker = $4, lease_until = $5
            WHERE session_key = $1 AND number = $2
        RETURNING {COLUMNS}""",
        ids.session_key(run.session_id),
        run.number,
        position,
        lease.worker,
        lease.until,
    )
    assert row is not None, "the run is locked in this transaction"
    return run_from_row(run.session_id, row)


async def set_request(tx: Transaction, run: RunKey, request: dict[str, Any]) -> None:
    """Replace the record of a run's turn spec. The run has been locked in this transaction (`lock_waiting`)."""
    await tx.run(
        "UPDATE runs SET request = $3 WHERE session_key = $1 AND number = $2",
        ids.session_key(run.session_id),
        run.number,
        msgspec.json.encode(request).decode(),
    )


async def list_overdue(tx: Transaction, now: str, after: Overdue) -> list[Overdue]:
    """Return the runs whose deadline has passed at the time `now`, longest overdue first: at most 100 after `after`."""
    rows = await tx.all(
        """SELECT r.deadline, r.id, s.id, r.number, s.owner
             FROM runs r JOIN sessions s ON s.session_key = r.session_key
            WHERE r.status = 'requires_action' AND r.deadline <= $1 AND (r.deadline, r.id) > ($2, $3)
            ORDER BY r.deadline, r.id LIMIT 100""",
        now,
        after.deadline,
        after.run_id,
    )
    return [Overdue(row[0], row[1], RunKey(row[2], row[3]), row[4]) for row in rows]


async def find_next_deadline(tx: Transaction, now: str) -> str | None:
    """Return the first deadline after the time `now`; None if there is none."""
    row = await tx.one(
        """SELECT deadline FROM runs
            WHERE status = 'requires_action' AND deadline > $1 ORDER BY deadline LIMIT 1""",
        now,
    )
    return row[0] if row else None
