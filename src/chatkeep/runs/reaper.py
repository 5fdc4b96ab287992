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
from chatkeep.db import Connection
from chatkeep.errors import StorageFailed
from chatkeep.runs.end import Closed, close
from chatkeep.runs.runtime import Worker
from chatkeep.store import leases as store_leases
from chatkeep.store import sessions as store_sessions
from chatkeep.store.leases import Carried

LOOK = 1.0
"""Seconds after which a process looks at its own runs again."""

_log = logging.getLogger("chatkeep")


async def attend_for_ever(worker: Worker) -> None:
    """Renew, look, and take over, until cancelled."""
    loop = asyncio.get_running_loop()
    period = worker.settings.lease / 3
    due = loop.time() + period
    while True:
        await asyncio.sleep(min(LOOK, period))
        try:
            await look(worker)
            if loop.time() >= due:
                due = loop.time() + period
                worker.journal.renew()
                await take_over(worker)
        except StorageFailed as failure:
            _log.warning("leases cannot be looked after for now: %s", failure)


async def look(worker: Worker) -> None:
    """Stop the turns of those runs that are no longer ours."""
    if carried := worker.journal.carried:
        own = await worker.db.snapshot(lambda tx: store_leases.list_own(tx, worker.name))
        for run_id in carried - own:
            worker.journal.check(run_id)


async def take_over(worker: Worker) -> int:
    """Close every run whose lease has lapsed; how many there were."""

    async def lapsed(tx: Connection) -> tuple[list[Carried], str]:
        before = clock.later(await tx.now(), -worker.settings.lease / 3)
        return await store_leases.list_lapsed(tx, before), before

    found, before = await worker.db.snapshot(lapsed)
    left = [carried for carried in found if carried.run_id not in worker.tasks]
    return await _interrupt(worker, left, before)


async def recover(worker: Worker, *, alone: bool) -> int:
    """At the start: close what an earlier life of this process left; what anybody left, if no other process lives."""
    found = await worker.db.snapshot(store_leases.list_carried)
    return await _interrupt(worker, [carried for carried in found if alone or _is_earlier(worker, carried)], None)


def _is_earlier(worker: Worker, carried: Carried) -> bool:
    """Whether the run was carried by a process of this one's place, which only one process at a time can have."""
    place, _, life = carried.worker.rpartition(" ")
    own_place, _, own_life = worker.name.rpartition(" ")
    return place != "" and place == own_place and life != own_life


async def _interrupt(worker: Worker, left: list[Carried], before: str | None) -> int:
    """One transaction a run: a recovery that dies has done some of it."""
    count = 0
    for carried in left:
        try:
            closed = await worker.db.transaction(lambda tx, carried=carried: _close(tx, carried, before))
        except StorageFailed:
            raise
        except Exception:  # noqa: BLE001  # logged: a log that does not fold, say, by a fault of ours or of the disk
            _log.exception("run %s cannot be closed; the others can", carried.run_id)
            continue
        if closed is not None:
            count += 1
            worker.released(carried.session_id, carried.run_id, closed.entries)
    if count:
        _log.warning("runs interrupted because the process that carried them is gone: %d", count)
    return count


async def _close(tx: Connection, carried: Carried, before: str | None) -> Closed | None:
    await store_sessions.touch(tx, carried.session_id)
    if not await store_leases.break_lease(tx, carried, before):
        return None
    return await close(tx, carried.run_id, "interrupted")
