"""Runs whose process died: found by their lease, closed as interrupted by whoever finds them first.

1. A process renews the lease of each of its runs with every flush, and three times a lease without one.
2. A lease that ended a third of itself ago has lapsed. The fence is raised before anything else: whoever carried the
   run may wake up and write nothing.
3. Time is the database's: no clock of a process counts.
4. Each process also looks whether its own runs are still its own, so that one that was closed elsewhere stops soon.
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

CHECK_SECONDS = 1.0
"""Seconds after which a process looks at its own runs again."""

_log = logging.getLogger("chatkeep")


async def maintain_leases(runtime: Runtime) -> None:
    """Renew, look, and take over, until cancelled."""
    loop = asyncio.get_running_loop()
    period = runtime.settings.lease / 3
    due = loop.time() + period
    while True:
        await asyncio.sleep(min(CHECK_SECONDS, period))
        try:
            await check_ownership(runtime)
            if loop.time() >= due:
                due = loop.time() + period
                runtime.journal.renew()
                await reap_expired(runtime)
        except StorageFailed as failure:
            _log.warning("leases cannot be looked after for now: %s", failure)


async def check_ownership(runtime: Runtime) -> None:
    """Stop the turns of those runs that are no longer ours."""
    if carried := runtime.journal.carried:
        own = await runtime.db.snapshot(lambda tx: store_leases.list_owned_ids(tx, runtime.name))
        for run_id in carried - own:
            runtime.journal.check(run_id)


async def reap_expired(runtime: Runtime) -> int:
    """Close every run whose lease has lapsed; how many there were."""

    async def expired(tx: Transaction) -> tuple[list[LeasedRun], str]:
        before = clock.add_seconds(await tx.now(), -runtime.settings.lease / 3)
        return await store_leases.list_expired(tx, before), before

    found, before = await runtime.db.snapshot(expired)
    left = [carried for carried in found if carried.run_id not in runtime.tasks]
    return await _interrupt(runtime, left, before)


async def recover(runtime: Runtime, *, alone: bool) -> int:
    """At the start: close what an earlier life of this process left; what anybody left, if no other process lives."""
    found = await runtime.db.snapshot(store_leases.list_leased)
    return await _interrupt(runtime, [carried for carried in found if alone or _is_earlier(runtime, carried)], None)


def _is_earlier(runtime: Runtime, carried: LeasedRun) -> bool:
    """Whether the run was carried by a process of this one's place, which only one process at a time can have."""
    place, _, life = carried.worker.rpartition(" ")
    own_place, _, own_life = runtime.name.rpartition(" ")
    return place != "" and place == own_place and life != own_life


async def _interrupt(runtime: Runtime, left: list[LeasedRun], before: str | None) -> int:
    """One transaction a run: a recovery that dies has done some of it."""
    count = 0
    for carried in left:
        try:
            closed = await runtime.db.transaction(lambda tx, carried=carried: _close(tx, carried, before))
        except StorageFailed:
            raise
        except Exception:  # noqa: BLE001  # logged: a log that does not fold, say, by a fault of ours or of the disk
            _log.exception("run %s cannot be closed; the others can", carried.run_id)
            continue
        if closed is not None:
            count += 1
            runtime.on_ended(carried.session_id, carried.run_id, closed.entries)
    if count:
        _log.warning("runs interrupted because the process that carried them is gone: %d", count)
    return count


async def _close(tx: Transaction, carried: LeasedRun, before: str | None) -> EndedRun | None:
    await store_sessions.touch(tx, carried.session_id)
    if not await store_leases.break_lease(tx, carried, before):
        return None
    return await end_run(tx, carried.run_id, "interrupted")
