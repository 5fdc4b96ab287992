"""Deletes the logs of runs that ended longer ago than CHATKEEP_EVENTS_RETENTION. Messages stay."""

import asyncio
import logging

from chatkeep import clock
from chatkeep.chat.types import RunKey
from chatkeep.db import Transaction
from chatkeep.errors import StorageFailed
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import runs as store_runs

PASS_SECONDS = 10.0
"""Seconds between two passes."""
BATCH_SIZE = 200
"""How many runs a pass looks up at once."""

_log = logging.getLogger("chatkeep")


async def delete_old_logs_forever(runtime: Runtime) -> None:
    """Delete old logs pass by pass, until cancelled."""
    while True:
        try:
            await delete_old_logs(runtime)
        except StorageFailed as failure:
            _log.warning("old events cannot be removed yet: %s", failure)
        await asyncio.sleep(PASS_SECONDS)


async def delete_old_logs(runtime: Runtime) -> int:
    """Delete the logs whose time is over, one small transaction each; return how many there were."""
    retention_seconds = runtime.settings.events_retention

    async def list_old(tx: Transaction) -> list[RunKey]:
        ended_before = clock.add_seconds(await tx.now(), -retention_seconds)
        return await store_runs.list_expired_logs(tx, ended_before, BATCH_SIZE)

    async def delete(tx: Transaction, run: RunKey) -> None:
        await store_events.delete_events(tx, run)
        await store_runs.mark_log_deleted(tx, run)

    count = 0
    while runs := await runtime.db.snapshot(list_old):
        for run in runs:
            await runtime.db.transaction(lambda tx, run=run: delete(tx, run))
        count += len(runs)
    return count
