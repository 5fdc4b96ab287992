"""The end of a run: one way for every ending, in the caller's transaction.

A run is ended by its own turn, by a cancel, by the next message, with its session, or by the reaper. All of them
call `end_run`. It raises the fence first, so that no other worker can write from then on; then it reads the log, ends
the calls that are open, appends `run.finished`, and stores the fold as the message. Last it adds to
the owner's usage, so that the row of the day, which all runs of the owner share, is locked for a short time only.

Locks are taken in one order everywhere, session before run: the caller has updated the session's row before.
"""

from functools import reduce
from typing import NamedTuple

from msgspec.structs import replace

from chatkeep.chat import event_log
from chatkeep.chat.events import Entry, RunFinished, to_entry
from chatkeep.chat.types import Problem, Run, RunEnd, RunKey
from chatkeep.db import Transaction
from chatkeep.store import events as store_events
from chatkeep.store import holds as store_holds
from chatkeep.store import messages as store_messages
from chatkeep.store import model_calls as store_calls
from chatkeep.store import runs as store_runs
from chatkeep.store import usage as store_usage


class EndedRun(NamedTuple):
    """A run that was just ended, the last entries of its log, and whose it is."""

    run: Run
    entries: list[Entry]
    owner: str


async def end_run(tx: Transaction, key: RunKey, status: RunEnd, error: Problem | None = None) -> EndedRun | None:
    """End the run; None when it has ended already, or is gone.

    Usage and finish reason stay as the last flush wrote them. A call of a model that goes on ends with the run.
    """
    stopped = await store_runs.end_run(tx, key, status, error)
    if stopped is None:
        return None
    if stopped.open_call is not None:
        await store_calls.close_call(tx, key, stopped.open_call, error.code if error else status)
    events = await store_events.list_events(tx, key)
    message = event_log.fold(events)
    call_ends = event_log.assign_positions(event_log.closing_events(message), events[-1].position)
    run = replace(stopped.run, position=events[-1].position + len(call_ends) + 1)
    message = replace(reduce(event_log.apply, call_ends, message), status=status)
    finished = RunFinished(position=run.position, run=run, message=message)
    entries = [to_entry(event) for event in [*call_ends, finished]]
    await store_events.add_events(tx, key, entries)
    await store_messages.set_parts(tx, message, None if stopped.is_temporary else stopped.payer.owner)
    if run.position != stopped.run.position:
        await store_runs.set_position(tx, key, run.position)
    if stopped.has_hold:
        await store_holds.release_hold(tx, stopped.payer.owner, run.id)
    await store_usage.add_usage(tx, stopped.payer, await store_calls.list_calls(tx, key), run)
    return EndedRun(run, entries, stopped.payer.owner)
