"""Resumes runs that wait for their client: with its outputs, or without them after the deadline.

The transactions are in `runs/tool_calls.py`. A new message does not wait for any of this: it ends the run.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from chatkeep import clock
from chatkeep.agent.turn_spec import TurnSpec, restore_spec
from chatkeep.chat.events import Event, ToolCallFinished
from chatkeep.chat.types import PromptSnapshot, Run, RunKey
from chatkeep.db import Transaction
from chatkeep.errors import CallNotWaiting, StorageFailed, TooManyRuns
from chatkeep.runs.execute import start_execution
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.tool_calls import DEADLINES, CallsEnded, EndCalls, end_calls
from chatkeep.store import prompts as store_prompts
from chatkeep.store import runs as store_runs
from chatkeep.store import waiting as store_waiting
from chatkeep.store.waiting import BEFORE_ALL, Overdue
from chatkeep.tools.execution import ToolResult, finished_event

CHECK_SECONDS = 10.0
"""Seconds after which deadlines are looked up again, in case another process has set one."""

_log = logging.getLogger("chatkeep")


class AnsweredRun(NamedTuple):
    """A run after some of its calls were answered; `waiting_position` is the position of its last `run.waiting`."""

    run: Run
    waiting_position: int


async def add_outputs(
    runtime: Runtime, owner: str, run: Run, outputs: Mapping[str, ToolResult], note: Mapping[str, Any] | None = None
) -> AnsweredRun:
    """Store outputs of the owner's waiting calls, by call id. When none is left waiting, the run is resumed here.

    `note` is kept in the run's record with them; see `end_calls`.

    Raises:
        CallNotWaiting: one of them does not wait for an output; nothing is stored.
        ShuttingDown, TooManyRuns: the run cannot be resumed here for now; nothing is stored.
    """

    def end(waiting: Mapping[str, int]) -> list[Event]:
        for call_id in outputs:
            if call_id not in waiting:
                raise CallNotWaiting(f"the call {call_id!r} does not wait for an output")
        return [finished_event(waiting[call_id], result) for call_id, result in outputs.items()]

    runtime.check_open()
    runtime.slots.reserve(run.id, owner)
    ended = await _shielded(runtime, run.id, run.key, end, note)
    if ended is None:
        raise CallNotWaiting("the run does not wait for outputs")
    return AnsweredRun(ended.run, ended.waiting_position)


async def expire_deadlines_forever(runtime: Runtime) -> None:
    """Resume the runs whose client has not answered in time, each at its deadline, until cancelled."""
    with runtime.notifier.subscribe(DEADLINES) as subscription:
        while True:
            seconds = CHECK_SECONDS
            try:
                await expire_deadlines(runtime)
                seconds = await runtime.db.snapshot(_seconds_until_next)
            except StorageFailed as failure:
                _log.warning("deadlines cannot be looked at: %s", failure)
            await subscription.wait(seconds)


async def expire_deadlines(runtime: Runtime) -> int:
    """Resume the runs whose deadline has passed, their missing outputs cancelled; return how many there were.

    They take slots under CHATKEEP_MAX_RUNS. Those for which there is none are left for the next look.
    """
    count = 0
    last = BEFORE_ALL
    while not runtime.is_draining:
        overdue = await runtime.db.snapshot(lambda tx, last=last: _read_overdue(tx, last))
        for run in overdue:
            try:
                runtime.slots.reserve(run.run_id, run.owner)
            except TooManyRuns:
                return count
            await _expire(runtime, run)
            count += 1
        if not overdue:
            break
        last = overdue[-1]
    return count


async def _read_overdue(tx: Transaction, after: Overdue) -> list[Overdue]:
    return await store_waiting.list_overdue(tx, await tx.now(), after)


async def _expire(runtime: Runtime, run: Overdue) -> None:
    def end(waiting: Mapping[str, int]) -> list[Event]:
        return [ToolCallFinished(index=index, state="cancelled") for index in waiting.values()]

    try:
        await _shielded(runtime, run.run_id, run.key, end)
    except StorageFailed:
        raise
    except Exception:  # noqa: BLE001  # logged: a log that does not fold, say, by a fault of ours or of the disk
        _log.exception("run %s cannot go on; the others can", run.run_id)


async def _seconds_until_next(tx: Transaction) -> float:
    now = await tx.now()
    due = await store_waiting.find_next_deadline(tx, now)
    return CHECK_SECONDS if due is None else min((clock.parse(due) - clock.parse(now)).total_seconds(), CHECK_SECONDS)


async def _shielded(
    runtime: Runtime, run_id: str, key: RunKey, end: EndCalls, note: Mapping[str, Any] | None = None
) -> CallsEnded | None:
    """Shielded: a caller that is cancelled after the commit would leave a run that no worker executes."""
    return await asyncio.shield(asyncio.ensure_future(_end_calls(runtime, run_id, key, end, note)))


async def _end_calls(
    runtime: Runtime, run_id: str, key: RunKey, end: EndCalls, note: Mapping[str, Any] | None
) -> CallsEnded | None:
    try:
        spec = await _load_spec(runtime, key)
        worker, lease_seconds = runtime.name, runtime.settings.lease
        ended = await runtime.db.transaction(lambda tx: end_calls(tx, key, end, worker, lease_seconds, note))
        if ended is not None and ended.is_resumed and spec is not None:
            start_execution(runtime, ended.run, ended.entries, spec, ended.now)
    finally:
        runtime.slots.release(run_id)
    runtime.notifier.notify(run_id)
    return ended


async def _load_spec(runtime: Runtime, key: RunKey) -> TurnSpec | None:
    """Return the spec that the run's turn began with; None if the run is gone."""

    async def read(tx: Transaction) -> tuple[PromptSnapshot, dict[str, Any]] | None:
        if await store_runs.find_run(tx, key) is None:
            return None
        record = await store_runs.get_request(tx, key)
        return await store_prompts.get_prompt(tx, key.session_id, record["prompt"]), record

    loaded = await runtime.db.snapshot(read)
    if loaded is None:
        return None
    snapshot, record = loaded
    return await asyncio.to_thread(restore_spec, snapshot, runtime.tools, record)
