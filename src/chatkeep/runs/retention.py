"""Removes what is no longer kept: logs of runs that ended longer ago than CHATKEEP_EVENTS_RETENTION (messages stay),
temporary sessions that were last used longer ago than CHATKEEP_TEMPORARY_RETENTION, old entries of the audit, and the
rows of deleted sessions (`store/removal.py`).
"""

import asyncio
from collections.abc import Sequence

from chatkeep import clock, ids
from chatkeep.chat.types import RunKey
from chatkeep.db import Transaction
from chatkeep.runs.file_sweeping import sweep_files_forever
from chatkeep.runs.indexing import keep_index_forever
from chatkeep.runs.passes import repeat
from chatkeep.runs.runtime import Runtime
from chatkeep.store import audit as store_audit
from chatkeep.store import events as store_events
from chatkeep.store import kept_logs
from chatkeep.store import removal as store_removal
from chatkeep.store import temporary as store_temporary

PASS_SECONDS = 10.0
"""Seconds between two passes."""
AUDIT_SECONDS = 3600.0
"""Seconds between two looks for old entries of the audit."""
REMOVAL_TOPIC = "deleted sessions"
"""The notifier's topic by which a deletion starts a pass of removal at once."""
BATCH_SIZE = 200
"""How many runs a pass looks up at once."""
LOGS_PER_COMMIT = 10
"""Logs that one transaction deletes: few enough to hold up no other writer, and a tenth of the syncs of the disk."""


async def delete_old_logs_forever(runtime: Runtime) -> None:
    """Delete old logs pass by pass, until cancelled."""
    await repeat(lambda: delete_old_logs(runtime), lambda: asyncio.sleep(PASS_SECONDS), "old events")


async def delete_old_logs(runtime: Runtime) -> int:
    """Delete the logs whose time is over, in small transactions; return how many there were."""
    retention_seconds = runtime.settings.events_retention

    async def list_old(tx: Transaction) -> list[RunKey]:
        ended_before = clock.add_seconds(await tx.now(), -retention_seconds)
        return await kept_logs.list_expired_logs(tx, ended_before, BATCH_SIZE)

    async def delete(tx: Transaction, runs: Sequence[RunKey]) -> None:
        await store_events.delete_events(tx, runs)
        await kept_logs.mark_logs_deleted(tx, runs)

    count = 0
    while runs := await runtime.db.snapshot(list_old):
        for begin in range(0, len(runs), LOGS_PER_COMMIT):
            some = runs[begin : begin + LOGS_PER_COMMIT]
            await runtime.db.transaction(lambda tx, some=some: delete(tx, some))
        count += len(runs)
    return count


async def sweep_audit_forever(runtime: Runtime) -> None:
    """Delete old entries of the audit every hour, until cancelled."""
    await repeat(lambda: sweep_audit(runtime), lambda: asyncio.sleep(AUDIT_SECONDS), "old entries of the audit")


async def sweep_audit(runtime: Runtime) -> int:
    """Delete the entries of the audit that are older than CHATKEEP_AUDIT_DAYS; return how many there were."""
    age_seconds = 86_400.0 * runtime.settings.audit_days

    async def delete(tx: Transaction) -> int:
        before = clock.parse(clock.add_seconds(await tx.now(), -age_seconds))
        return await store_audit.delete_before(tx, ids.first_at(before))

    return await runtime.db.transaction(delete)


async def remove_sessions_forever(runtime: Runtime) -> None:
    """Remove deleted and temporary sessions, as they are deleted and pass by pass, until cancelled."""

    async def remove_all() -> None:
        await delete_temporary_sessions(runtime)
        await remove_sessions(runtime)

    with runtime.notifier.subscribe(REMOVAL_TOPIC) as subscription:
        await repeat(remove_all, lambda: subscription.wait(PASS_SECONDS), "deleted sessions")


async def delete_temporary_sessions(runtime: Runtime) -> None:
    """Delete the temporary sessions whose time is over, in small transactions."""
    retention_seconds = runtime.settings.temporary_retention

    async def list_outdated(tx: Transaction) -> tuple[list[str], str]:
        used_before = clock.add_seconds(await tx.now(), -retention_seconds)
        return await store_temporary.list_outdated(tx, used_before, LOGS_PER_COMMIT), used_before

    while True:
        session_ids, used_before = await runtime.db.snapshot(list_outdated)
        if not session_ids:
            return
        await runtime.db.transaction(
            lambda tx, some=session_ids, time=used_before: store_temporary.delete_outdated(tx, some, time)
        )


async def remove_sessions(runtime: Runtime) -> None:
    """Remove every deleted session, in many small transactions."""
    while session_ids := await runtime.db.snapshot(store_removal.list_deleted):
        for session_id in session_ids:
            has_more = True
            while has_more:
                has_more = await runtime.db.transaction(lambda tx, id_=session_id: store_removal.remove_page(tx, id_))


UPKEEP = (
    delete_old_logs_forever,
    remove_sessions_forever,
    sweep_audit_forever,
    sweep_files_forever,
    keep_index_forever,
)
"""The background tasks that remove what is no longer kept, and that keep the index of words."""
