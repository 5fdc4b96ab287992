"""The table `runs`, where `status` is `in_progress`: the lease and the fence, which keep one worker on a run.

The **lease** says which worker executes a run (`worker`), and until when other workers take it for alive
(`lease_until`, the database's time). The claim of a run begins its lease, and every flush renews it, also a flush
without events. A worker that dies renews nothing. A third of the lease's length after `lease_until`, the reaper of any
worker may end the run.

The **fence** is `attempt`. It says which writes count. Each statement that ends, resumes or takes over a run raises it.
Every flush begins with `advance`, which names the attempt that its worker knows. If the row has a newer one, the
statement changes no row, and the flush drops the run's events. So a worker that stood still for longer than its lease
may wake up at any time, and writes nothing.

    worker A   claim: attempt 1   flush, flush   (stands still)                              flush: refused
    worker B                                       lease expired: break_lease, end: attempt 3

A lease alone would not do: worker A cannot know that it stood still. A fence alone would not do either: worker B could
not know that A is gone.

`advance` compares `position` too, for a COMMIT whose outcome cannot be found out (`db/postgres.py`). The log may then
have come further than its worker knows. Then the worker stops and its lease expires. Otherwise a piece of the log could
be written twice (`docs/decisions/0008-leases.md`).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chatkeep import clock, ids
from chatkeep.chat.types import RunKey
from chatkeep.db import Transaction, can_be_repeated


class Lease(NamedTuple):
    """The worker that owns a run, and the time until which other workers take it for alive."""

    worker: str
    until: str

    @classmethod
    def begin(cls, worker: str, now: str, seconds: float) -> "Lease":
        """Return the lease of `worker` that begins `now` (the database's time)."""
        return cls(worker, clock.add_seconds(now, seconds))


class Progress(NamedTuple):
    """A run's columns as its worker knows them at a flush: the parameters of `advance`.

    `begin` is the position that the flush before has written, `position` the one after this flush.
    """

    session_key: int
    number: int
    attempt: int
    begin: int
    position: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_tokens: int
    cost: int | None
    usage_estimated: bool
    input_bytes: int
    finish_reason: str | None
    open_call: str | None
    first_token_at: str | None


class LeasedRun(NamedTuple):
    """A run that is in progress, and the worker that executes it, alive or dead."""

    run_id: str
    key: RunKey
    worker: str


async def advance(tx: Transaction, batch: Iterable[Progress], lease_until: str) -> set[str]:
    """Pass the fence, write the progress and renew the lease of each run: the first statement of every flush.

    Return the ids of the runs that may go on. A run that was ended or taken over since is not among them, nor is one
    whose log has come further than its worker knows.

    `lease_until` is in no index. So on PostgreSQL a renewal is a HOT update: it writes the row and no index.
    """
    rows = await tx.returning(
        """UPDATE runs
              SET position = $5, input_tokens = $6, output_tokens = $7, cached_input_tokens = $8, reasoning_tokens = $9,
                  cost = $10, usage_estimated = $11, input_bytes = $12, finish_reason = $13, open_call = $14,
                  first_token_at = $15, lease_until = $16
            WHERE session_key = $1 AND number = $2 AND attempt = $3 AND position = $4 AND status = 'in_progress'
        RETURNING id""",
        [(*progress, lease_until) for progress in batch],
    )
    tx.prove(can_be_repeated)  # without events, it renews leases
    return {row[0] for row in rows}


async def list_leased(tx: Transaction) -> list[LeasedRun]:
    """Return all runs that are in progress, by worker."""
    rows = await tx.all(  # `worker > ''` is true of every worker: with it SQLite searches the index `runs_by_worker`
        """SELECT r.id, s.id, r.number, r.worker
             FROM runs r JOIN sessions s ON s.session_key = r.session_key
            WHERE r.status = 'in_progress' AND r.worker > '' ORDER BY r.worker, r.id"""
    )
    return [_leased(*row) for row in rows]


async def list_expired(tx: Transaction, before: str) -> list[LeasedRun]:
    """Return the runs in progress whose `lease_until` lies before the time `before`: at most 500."""
    rows = await tx.all(
        """SELECT r.id, s.id, r.number, r.worker
             FROM runs r JOIN sessions s ON s.session_key = r.session_key
            WHERE r.status = 'in_progress' AND r.worker > '' AND r.lease_until < $1
            ORDER BY r.worker, r.id LIMIT 500""",
        before,
    )
    return [_leased(*row) for row in rows]


async def list_owned_ids(tx: Transaction, worker: str) -> set[str]:
    """Return the ids of the runs that `worker` owns according to the database."""
    rows = await tx.all("SELECT id FROM runs WHERE status = 'in_progress' AND worker = $1", worker)
    return {row[0] for row in rows}


async def rename_worker(tx: Transaction, names: Sequence[str], name: str) -> set[str]:
    """Give the runs in progress of the workers `names` to `name`, which is the same worker; return their ids."""
    rows = await tx.returning(
        "UPDATE runs SET worker = $2 WHERE status = 'in_progress' AND worker = $1 RETURNING id",
        [(former, name) for former in names],
    )
    tx.prove(can_be_repeated)
    return {row[0] for row in rows}


async def break_lease(tx: Transaction, leased: LeasedRun, before: str | None) -> bool:
    """Raise the fence of a run that its worker has left. Return True if this did.

    False: the run is no longer that worker's, or its `lease_until` does not lie before the time `before` (None: any).
    """
    row = await tx.one(
        """UPDATE runs
              SET attempt = attempt + 1
            WHERE session_key = $1 AND number = $2 AND status = 'in_progress' AND worker = $3 AND lease_until < $4
        RETURNING id""",
        ids.session_key(leased.key.session_id),
        leased.key.number,
        leased.worker,
        before or _END_OF_TIME,
    )
    return row is not None


def _leased(run_id: str, session_id: str, number: int, worker: str) -> LeasedRun:
    return LeasedRun(run_id, RunKey(session_id, number), worker)


_END_OF_TIME = "9999-12-31T23:59:59.999999Z"
