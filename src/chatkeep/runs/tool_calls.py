"""Tool calls that wait for the client: the transactions. SQL and pure functions only.

1. A run that waits is executed by no worker, and survives restarts. Its deadline stands in its row.
2. Each output is an event of the log, committed before any client sees it. The first one counts: the run's row is
   locked while one is written, and a call that has its output no longer waits.
3. The worker that takes the last output resumes the run: it raises the fence and becomes the only one to write.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple, TypeAlias

from msgspec.structs import replace

from chatkeep import clock
from chatkeep.chat import event_log
from chatkeep.chat.events import Entry, Event, RunResumed, RunWaiting, to_entry
from chatkeep.chat.types import Part, Run, RunKey, ToolCallPart
from chatkeep.db import Transaction
from chatkeep.store import events as store_events
from chatkeep.store import runs as store_runs
from chatkeep.store import waiting as store_waiting
from chatkeep.store.leases import Lease

DEADLINES = "deadlines"
"""The notifier's topic for runs that begin to wait."""

EndCalls: TypeAlias = Callable[[Mapping[str, int]], list[Event]]
"""Returns the events that end waiting calls, which come as indexes of their parts by call id."""


class CallsEnded(NamedTuple):
    """A run after some of its calls were ended.

    `waiting_position` is the position of its last `run.waiting`; `entries` are those just written; `is_resumed`: no
    call waits any longer, and this worker has the run's lease; `now` is the database's time.
    """

    run: Run
    waiting_position: int
    entries: list[Entry]
    is_resumed: bool
    now: str


async def wait_for_client(tx: Transaction, run: RunKey, call_ids: Sequence[str], seconds: float) -> Entry:
    """Put an executing run to rest until its client has answered `call_ids`, or `seconds` have passed."""
    deadline = clock.add_seconds(await tx.now(), seconds)
    position = await store_waiting.set_waiting(tx, run, deadline)
    entry = to_entry(RunWaiting(position=position, calls=tuple(call_ids), deadline=deadline))
    await store_events.add_events(tx, run, [entry])
    return entry


async def end_calls(
    tx: Transaction,
    key: RunKey,
    end: EndCalls,
    worker: str,
    lease_seconds: float,
    note: Mapping[str, Any] | None = None,
) -> CallsEnded | None:
    """Append the events of `end`; resume the run for `worker` if no call waits any longer. None: it does not wait.

    `note` is kept in the run's record, as `noted_after` by the position of the wait.
    """
    waiting = await store_waiting.lock_waiting(tx, key)
    if waiting is None:
        return None
    past = await store_events.list_events(tx, key)
    message = event_log.fold(past)
    new = end(waiting_calls(message.parts))
    is_resumed = not waiting_calls(reduce(event_log.apply, new, message).parts)
    events = event_log.assign_positions([*new, RunResumed()] if is_resumed else new, past[-1].position)
    entries = [to_entry(each) for each in events]
    await store_events.add_events(tx, key, entries)
    position, now = events[-1].position, await tx.now()
    waiting_position = max(event.position for event in past if isinstance(event, RunWaiting))
    if note is not None:
        notes = {**waiting.request.get("noted_after", {}), str(waiting_position): note}
        await store_waiting.set_request(tx, key, {**waiting.request, "noted_after": notes})
    if is_resumed:
        lease = Lease.begin(worker, now, lease_seconds)
        run = await store_waiting.set_in_progress(tx, key, position, lease)
    else:
        await store_runs.set_position(tx, key, position)
        run = replace(waiting.run, position=position)
    return CallsEnded(run, waiting_position, entries, is_resumed, now)


def waiting_calls(parts: Sequence[Part]) -> dict[str, int]:
    """Return the calls that wait: the indexes of their parts, by call id."""
    return {
        part.call_id: index
        for index, part in enumerate(parts)
        if isinstance(part, ToolCallPart) and part.state == "waiting"
    }
