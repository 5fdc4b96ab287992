"""The only way a run ends, whoever ends it: its turn, a cancel, an interruption, a deletion, the recovery."""

from functools import reduce
from typing import NamedTuple

from msgspec.structs import replace

from chatkeep.chat import event_log
from chatkeep.chat.events import Entry, RunFinished, enter
from chatkeep.chat.types import Problem, Run, RunEnd
from chatkeep.db import Connection
from chatkeep.errors import NotFound
from chatkeep.runs.runtime import Worker
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions


class Closed(NamedTuple):
    """A run that has just been closed, and the last entries of its log."""

    run: Run
    entries: list[Entry]


async def close(tx: Connection, run_id: str, status: RunEnd, error: Problem | None = None) -> Closed | None:
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
    closing = event_log.place(event_log.closing(said), events[-1].position)
    run = replace(ended, position=events[-1].position + len(closing) + 1)
    message = replace(reduce(event_log.apply, closing, said), status=status)
    entries = [enter(event) for event in [*closing, RunFinished(position=run.position, run=run, message=message)]]
    await store_events.add_events(tx, run_id, entries)
    await store_messages.set_parts(tx, message)
    await store_runs.set_position(tx, run_id, run.position)
    return Closed(run, entries)


async def cancel(worker: Worker, run: Run) -> Run | None:
    """Stop `run` at a client's wish: the run as it ended; None when it had ended already, or is gone."""
    await worker.journal.settle(run.session_id)

    async def write(tx: Connection) -> Closed | None:
        await store_sessions.touch(tx, run.session_id)
        return await close(tx, run.id, "cancelled")

    closed = await worker.db.transaction(write)
    if closed is None:
        return None
    worker.released(run.session_id, run.id, closed.entries)
    return closed.run


async def delete(worker: Worker, owner: str, session_id: str) -> None:
    """Delete a session; its open run is closed as cancelled, and the readers here still see that.

    Raises:
        NotFound: there is no such session, or it is somebody else's.
    """

    async def write(tx: Connection) -> Closed | None:
        if await store_sessions.find_session(tx, owner, session_id) is None:
            raise NotFound(f"no session {session_id}")
        await store_sessions.touch(tx, session_id)
        run = await store_runs.find_open(tx, session_id)
        closed = await close(tx, run.id, "cancelled") if run else None
        await store_sessions.delete_session(tx, owner, session_id)
        return closed

    await worker.journal.settle(session_id)
    closed = await worker.db.transaction(write)
    if closed is not None:
        worker.released(session_id, closed.run.id, closed.entries)
    worker.doorbell.ring(session_id)
