"""Ends runs at a client's wish: by a cancel, or with their session."""

from chatkeep.chat.types import Run
from chatkeep.db import Transaction
from chatkeep.errors import NotFound
from chatkeep.runs.end import EndedRun, end_run
from chatkeep.runs.retention import REMOVAL_TOPIC
from chatkeep.runs.runtime import Runtime
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions


async def cancel_run(runtime: Runtime, run: Run) -> Run | None:
    """Cancel `run` and return it as it ended; None when it had ended already, or is gone."""
    await runtime.journal.flush_session(run.session_id)

    async def write(tx: Transaction) -> EndedRun | None:
        await store_sessions.touch(tx, run.session_id)
        return await end_run(tx, run.key, "cancelled")

    ended = await runtime.db.transaction(write)
    if ended is None:
        return None
    runtime.on_ended(ended)
    return ended.run


async def delete_session(runtime: Runtime, owner: str, session_id: str) -> None:
    """Delete a session. Its open run is cancelled first, and its readers still see that. Its rows are removed later.

    Raises:
        NotFound: there is no such session, or it is another owner's.
    """

    async def write(tx: Transaction) -> EndedRun | None:
        if await store_sessions.find_session(tx, owner, session_id) is None:
            raise NotFound(f"no session {session_id}")
        await store_sessions.touch(tx, session_id)
        run = await store_runs.find_open(tx, session_id)
        ended = await end_run(tx, run.key, "cancelled") if run else None
        await store_sessions.delete_session(tx, owner, session_id)
        return ended

    await runtime.journal.flush_session(session_id)
    ended = await runtime.db.transaction(write)
    if ended is not None:
        runtime.on_ended(ended)
    runtime.notify_session(session_id, owner)
    runtime.notifier.notify_local(REMOVAL_TOPIC)
