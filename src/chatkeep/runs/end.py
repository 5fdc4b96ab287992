"""The only way a run ends, whoever ends it: its turn, a cancel, an interruption, a deletion, the recovery."""

from functools import reduce
from typing import NamedTuple

from msgspec.structs import replace

from chatkeep.chat import event_log
from chatkeep.chat.events import Entry, RunFinished, to_entry
from chatkeep.chat.types import Problem, Run, RunEnd
from chatkeep.db import Transaction
from chatkeep.errors import NotFound
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions


class EndedRun(NamedTuple):
    """A run that has just been closed, and the last entries of its log."""

    run: Run
    entries: list[Entry]


async def end_run(tx: Transaction, run_id: str, status: RunEnd, error: Problem | None = None) -> EndedRun | None:
    """End the run in the caller's transaction; None when it has ended already.

    The caller has written the session's row before (`touch`): locks are taken in one order, session, then run.

    Raises the fence, so that nobody else can write; then reads the log, ends its open calls, appends
    `run.finished`, and stores the fold. Usage and finish reason are what the last flush wrote.
    """
    ended = await store_runs.end_run(tx, run_id, status, error)
    if ended is None:
        return None
    events = await store_events.list_events(tx, run_id)
    said = event_log.fold(events)
    closing = event_log.assign_positions(event_log.closing_events(said), events[-1].position)
    run = replace(ended, position=events[-1].position + len(closing) + 1)
    message = replace(reduce(event_log.apply, closing, said), status=status)
    entries = [to_entry(event) for event in [*closing, RunFinished(position=run.position, run=run, message=message)]]
    await store_events.add_events(tx, run_id, entries)
    await store_messages.set_parts(tx, message)
    await store_runs.set_position(tx, run_id, run.position)
    return EndedRun(run, entries)


async def cancel_run(runtime: Runtime, run: Run) -> Run | None:
    """Stop `run` at a client's wish: the run as it ended; None when it had ended already, or is gone."""
    await runtime.journal.settle(run.session_id)

    async def write(tx: Transaction) -> EndedRun | None:
        await store_sessions.touch(tx, run.session_id)
        return await end_run(tx, run.id, "cancelled")

    ended = await runtime.db.transaction(write)
    if ended is None:
        return None
    runtime.on_ended(run.session_id, run.id, ended.entries)
    return ended.run


async def delete_session(runtime: Runtime, owner: str, session_id: str) -> None:
    """Delete a session; its open run is closed as cancelled, and the readers here still see that.

    Raises:
        NotFound: there is no such session, or it is somebody else's.
    """

    async def write(tx: Transaction) -> EndedRun | None:
        if await store_sessions.find_session(tx, owner, session_id) is None:
            raise NotFound(f"no session {session_id}")
        await store_sessions.touch(tx, session_id)
        run = await store_runs.find_open(tx, session_id)
        ended = await end_run(tx, run.id, "cancelled") if run else None
        await store_sessions.delete_session(tx, owner, session_id)
        return ended

    await runtime.journal.settle(session_id)
    ended = await runtime.db.transaction(write)
    if ended is not None:
        runtime.on_ended(session_id, ended.run.id, ended.entries)
    runtime.notifier.notify(session_id)
