"""Leases: this worker renews its own, and ends the runs of workers that died.

    worker A    flush ─── flush ─── ✝
    lease       ├───────────┴─────────────────┤ expires      + a third of a lease: reaped
    worker B                                                  raise fence, end as `interrupted`

1. Every flush renews the leases of its runs, and three times per lease they are renewed without one.
2. A lease counts as expired one third of its duration after `lease_until`. The margin is for clocks and slow commits.
3. The fence is raised before anything else. A worker that was only asleep wakes up and can write nothing: its next
   flush names an attempt that is no longer the run's.
4. Time is the database's. The clocks of the processes do not matter.
5. Every worker also looks whether its runs are still its own, so that a turn whose run was ended elsewhere stops soon.

A run is ended, not continued: asking the model again would give, and cost, a different text than readers have seen.
"""

import asyncio
import logging

from chatkeep import clock
from chatkeep.db import Transaction
from chatkeep.errors import StorageFailed
from chatkeep.runs.end import EndedRun, end_run
from chatkeep.runs.runtime import Runtime
from chatkeep.store import leases as store_leases
from chatkeep.store import sessions as store_sessions
from chatkeep.store.leases import LeasedRun
from chatkeep.watch import metrics

OWNERSHIP_CHECK_SECONDS = 1.0
"""Seconds between two looks at whether this worker's runs are still its own."""

_log = logging.getLogger("chatkeep")


async def maintain_leases(runtime: Runtime) -> None:
    """Renew leases, check ownership and reap expired runs, until cancelled."""
    loop = asyncio.get_running_loop()
    period = runtime.settings.lease / 3
    due = loop.time() + period
    while True:
        await asyncio.sleep(min(OWNERSHIP_CHECK_SECONDS, period))
        try:
            await check_ownership(runtime)
            if loop.time() >= due:
                due = loop.time() + period
                runtime.journal.renew_leases()
                await reap_expired(runtime)
        except StorageFailed as failure:
            _log.warning("leases cannot be looked after for now: %s", failure)


async def check_ownership(runtime: Runtime) -> None:
    """Stop the turns of runs that are no longer this worker's. Those under a former name of it get the present one."""
    worker, former_names = runtime.name, runtime.process.former_names
    if run_ids := runtime.journal.run_ids:
        lost = run_ids - await runtime.db.snapshot(lambda tx: store_leases.list_owned_ids(tx, worker))
        if lost and former_names:
            lost -= await runtime.db.transaction(lambda tx: store_leases.rename_worker(tx, former_names, worker))
        for run_id in lost:
            runtime.journal.check_ownership(run_id)


async def reap_expired(runtime: Runtime) -> int:
    """End every run whose lease has expired; return how many there were."""
    margin_seconds = runtime.settings.lease / 3

    async def read(tx: Transaction) -> tuple[list[LeasedRun], str]:
        before = clock.add_seconds(await tx.now(), -margin_seconds)
        return await store_leases.list_expired(tx, before), before

    expired, before = await runtime.db.snapshot(read)
    return await _interrupt_all(runtime, [run for run in expired if run.run_id not in runtime.tasks], before)


async def recover(runtime: Runtime, *, alone: bool) -> int:
    """At the start, end the runs that a predecessor of this process left open, and return how many there were.

    `alone`: no other process is on the database, so every open run was left.
    """
    leased = await runtime.db.snapshot(store_leases.list_leased)
    return await _interrupt_all(runtime, [run for run in leased if alone or _is_predecessors(runtime, run)], None)


def _is_predecessors(runtime: Runtime, run: LeasedRun) -> bool:
    """Return True if the run's worker had this process's slot, which only one process at a time can have."""
    slot, _, life = run.worker.rpartition(" ")
    own_slot, _, own_life = runtime.name.rpartition(" ")
    return slot != "" and slot == own_slot and life != own_life


async def _interrupt_all(runtime: Runtime, runs: list[LeasedRun], before: str | None) -> int:
    """End `runs`, one transaction each: a recovery that dies has done some of it."""
    count = 0
    for run in runs:
        try:
            ended = await runtime.db.transaction(lambda tx, run=run: _interrupt(tx, run, before))
        except StorageFailed:
            raise
        except Exception:  # noqa: BLE001  # logged: a log that does not fold, say, by a fault of ours or of the disk
            _log.exception("run %s cannot be closed; the others can", run.run_id)
            continue
        if ended is not None:
            count += 1
            metrics.LEASES_TAKEN_OVER.inc()
            runtime.on_ended(ended)
    if count:
        _log.warning("runs interrupted because the process that carried them is gone: %d", count)
    return count


async def _interrupt(tx: Transaction, run: LeasedRun, before: str | None) -> EndedRun | None:
    await store_sessions.touch(tx, run.key.session_id)
    if not await store_leases.break_lease(tx, run, before):
        return None
    return await end_run(tx, run.key, "interrupted")
