"""A run that waited for the client goes on: by the client's outputs, or by its deadline.

1. Each answer is an event of the log, committed before anybody is told. Whichever comes first counts: the run's row
   is locked while one is written, and a call that has its answer is no longer waiting.
2. Whoever takes the last answer carries the run on, with the prompt and the functions it began with.
3. A new message does not wait for any of this: it closes the run (`claim.py`).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import reduce
from typing import NamedTuple

from msgspec.structs import replace

from chatkeep import clock
from chatkeep.agent.turn_spec import TurnSpec, restore_spec
from chatkeep.chat import event_log
from chatkeep.chat.events import Entry, Event, RunResumed, RunWaiting, ToolCallFinished, to_entry
from chatkeep.chat.types import Run, ToolCallPart
from chatkeep.db import Transaction
from chatkeep.errors import CallNotWaiting, StorageFailed
from chatkeep.runs import execute
from chatkeep.runs.pause import DEADLINES
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import prompts as store_prompts
from chatkeep.store import runs as store_runs
from chatkeep.store import waiting as store_waiting
from chatkeep.tools.execution import ToolResult, finished_event

INTERVAL = 10.0
"""Seconds after which deadlines are looked at again, whoever may have set one."""

_log = logging.getLogger("chatkeep")


class Answered(NamedTuple):
    """A run after some of its calls were answered; `waited` is the position of its last `run.waiting`."""

    run: Run
    waited: int


class _Written(NamedTuple):
    run: Run
    waited: int
    entries: list[Entry]
    now: str
    spec: TurnSpec | None  # what it goes on with; None while it still waits


async def answer(runtime: Runtime, run: Run, outputs: Mapping[str, ToolResult]) -> Answered:
    """Take what came of calls, by their ids; when none is left waiting, the run goes on.

    Raises:
        CallNotWaiting: one of them does not wait for an answer; nothing is stored.
        ShuttingDown, TooManyRuns: the run cannot go on here for now; nothing is stored.
    """

    def events(waiting: Mapping[str, int]) -> list[Event]:
        for call_id in outputs:
            if call_id not in waiting:
                raise CallNotWaiting(f"the call {call_id!r} does not wait for an output")
        return [finished_event(waiting[call_id], returned) for call_id, returned in outputs.items()]

    runtime.check_open()
    runtime.reserve_slot(run.id)
    written = await _shielded(runtime, run.id, events)
    if written is None:
        raise CallNotWaiting("the run does not wait for outputs")
    return Answered(written.run, written.waited)


async def expire_deadlines_forever(runtime: Runtime) -> None:
    """Let the runs go on whose client has not answered in time, each at its deadline, until cancelled."""
    with runtime.notifier.subscribe(DEADLINES) as bell:
        while True:
            seconds = INTERVAL
            try:
                await expire_deadlines(runtime)
                seconds = await runtime.db.snapshot(_until_next)
            except StorageFailed as failure:
                _log.warning("deadlines cannot be looked at: %s", failure)
            await bell.wait(seconds)


async def expire_deadlines(runtime: Runtime) -> int:
    """Let the runs go on whose deadline has passed, without the outputs that are missing; how many there were."""

    async def overdue(tx: Transaction) -> list[str]:
        return await store_waiting.list_overdue(tx, await tx.now())

    def events(waiting: Mapping[str, int]) -> list[Event]:
        return [ToolCallFinished(index=index, state="cancelled") for index in waiting.values()]

    run_ids = [] if runtime.draining else await runtime.db.snapshot(overdue)
    for run_id in run_ids:
        try:
            await _shielded(runtime, run_id, events)
        except StorageFailed:
            raise
        except Exception:  # noqa: BLE001  # logged: a log that does not fold, say, by a fault of ours or of the disk
            _log.exception("run %s cannot go on; the others can", run_id)
    return len(run_ids)


async def _until_next(tx: Transaction) -> float:
    now = await tx.now()
    due = await store_waiting.find_next_deadline(tx, now)
    return INTERVAL if due is None else min((clock.parse(due) - clock.parse(now)).total_seconds(), INTERVAL)


async def _shielded(
    runtime: Runtime, run_id: str, events: Callable[[Mapping[str, int]], list[Event]]
) -> _Written | None:
    """Shielded: a caller that is cancelled now must not leave a run behind that nobody carries."""
    return await asyncio.shield(asyncio.ensure_future(_go_on(runtime, run_id, events)))


async def _go_on(runtime: Runtime, run_id: str, events: Callable[[Mapping[str, int]], list[Event]]) -> _Written | None:
    try:
        written = await runtime.db.transaction(lambda tx: _write(tx, runtime, run_id, events))
        if written is not None and written.spec is not None:
            execute.start(runtime, written.run, written.entries, written.spec, written.now)
    finally:
        runtime.reserved.discard(run_id)
    runtime.notifier.notify(run_id)
    return written


async def _write(
    tx: Transaction, runtime: Runtime, run_id: str, events: Callable[[Mapping[str, int]], list[Event]]
) -> _Written | None:
    """Append what `events` makes of the calls that wait (parts' indexes by call id), and go on if none still does."""
    found = await store_waiting.lock_waiting(tx, run_id)
    if found is None:
        return None
    past = await store_events.list_events(tx, run_id)
    said = event_log.fold(past)
    new = events(_waiting(said.parts))
    resumed = not _waiting(reduce(event_log.apply, new, said).parts)
    entries = [
        to_entry(each)
        for each in event_log.assign_positions([*new, RunResumed()] if resumed else new, past[-1].position)
    ]
    await store_events.add_events(tx, run_id, entries)
    position = entries[-1].event.position
    now = await tx.now()
    waited = max(event.position for event in past if isinstance(event, RunWaiting))
    if resumed:
        run = await store_waiting.set_in_progress(tx, run_id, position, runtime.lease(now))
        snapshot = await store_prompts.get_prompt(tx, run.session_id, found.request["prompt"])
        spec = restore_spec(snapshot, runtime.tools, found.request)
        return _Written(run, waited, entries, now, spec)
    await store_runs.set_position(tx, run_id, position)
    return _Written(replace(found.run, position=position), waited, entries, now, None)


def _waiting(parts: tuple[object, ...]) -> dict[str, int]:
    """The calls that wait: the indexes of their parts, by call id."""
    return {
        part.call_id: index
        for index, part in enumerate(parts)
        if isinstance(part, ToolCallPart) and part.state == "waiting"
    }
