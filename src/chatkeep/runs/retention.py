"""Sweeping: the events of runs that ended long ago are removed; the messages stay. One small transaction a run."""

import asyncio
import logging

from chatkeep import clock
from chatkeep.db import Connection
from chatkeep.errors import StorageFailed
from chatkeep.runs.runtime import Worker
from chatkeep.store import events as store_events
from chatkeep.store import runs as store_runs

INTERVAL = 10.0
"""Seconds between two passes."""
BATCH = 200
"""Runs that a pass looks up at once."""

_log = logging.getLogger("chatkeep")


async def sweep_for_ever(worker: Worker) -> None:
    """Pass again and again, until cancelled."""
    while True:
        try:
            await sweep(worker)
        except StorageFailed as failure:
            _log.warning("old events cannot be removed yet: %s", failure)
        await asyncio.sleep(INTERVAL)


async def sweep(worker: Worker) -> int:
    """Remove the logs whose time is over; how many there were."""

    async def over(tx: Connection) -> list[str]:
        ended_before = clock.later(await tx.now(), -worker.settings.events_retention)
        return await store_runs.list_to_sweep(tx, ended_before, BATCH)

    async def forget(tx: Connection, run_id: str) -> None:
        await store_events.delete_events(tx, run_id)
        await store_runs.forget_log(tx, run_id)

    swept = 0
    while run_ids := await worker.db.snapshot(over):
        for run_id in run_ids:
            await worker.db.transaction(lambda tx, run_id=run_id: forget(tx, run_id))
        swept += len(run_ids)
    return swept
