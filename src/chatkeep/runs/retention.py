"""Sweeping: the events of runs that ended long ago are removed; the messages stay. One small transaction a run."""

import asyncio
import logging

from chatkeep import clock
from chatkeep.db import Transaction
from chatkeep.errors import StorageFailed
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import runs as store_runs

PASS_SECONDS = 10.0
"""Seconds between two passes."""
BATCH_SIZE = 200
"""Runs that a pass looks up at once."""

_log = logging.getLogger("chatkeep")


async def delete_old_logs_forever(runtime: Runtime) -> None:
    """Pass again and again, until cancelled."""
    while True:
        try:
            await delete_old_logs(runtime)
        except StorageFailed as failure:
            _log.warning("old events cannot be removed yet: %s", failure)
        await asyncio.sleep(PASS_SECONDS)


async def delete_old_logs(runtime: Runtime) -> int:
    """Remove the logs whose time is over; how many there were."""

    async def over(tx: Transaction) -> list[str]:
        ended_before = clock.add_seconds(await tx.now(), -runtime.settings.events_retention)
        return await store_runs.list_expired_logs(tx, ended_before, BATCH_SIZE)

    async def forget(tx: Transaction, run_id: str) -> None:
        await store_events.delete_events(tx, run_id)
        await store_runs.mark_log_deleted(tx, run_id)

    swept = 0
    while run_ids := await runtime.db.snapshot(over):
        for run_id in run_ids:
            await runtime.db.transaction(lambda tx, run_id=run_id: forget(tx, run_id))
        swept += len(run_ids)
    return swept
