"""Carrying a run: its turn in a task of its own, every event to the journal, and one commit at the end."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

from chatkeep.agent.titles import title_from_words
from chatkeep.agent.turn import Turn, TurnInput
from chatkeep.agent.turn_spec import TurnSpec
from chatkeep.chat import event_log
from chatkeep.chat.events import Entry
from chatkeep.chat.types import Message, Problem, Run, RunEnd
from chatkeep.db import Transaction
from chatkeep.errors import InternalFailure, StorageFailed, TurnFailed
from chatkeep.runs.end import end_run
from chatkeep.runs.journal import Fenced, Live
from chatkeep.runs.pause import DEADLINES, pause
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.title_task import name_session
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.toolbox.context import DatabaseToolContext

_log = logging.getLogger("chatkeep")

RETRY_SECONDS = 1.0
"""How long to wait before a run that cannot be written is tried again."""

HISTORY = 2_000
"""The most messages of a branch that a prompt is chosen from."""


class _Ending(NamedTuple):
    status: RunEnd | Literal["requires_action"]
    error: Problem | None = None
    waiting: Sequence[str] = ()
    title: str | None = None  # for a session that has none


def start(runtime: Runtime, run: Run, entries: Sequence[Entry], given: TurnSpec, now: str) -> None:
    """Carry `run`, just claimed or resumed, in the background; its readers find it from now on.

    `entries`: the newest of its log, which are committed; `now`: the database's time.
    """
    live = runtime.journal.open(run, entries, now)
    task = asyncio.create_task(_carry(runtime, live, given), name=f"run {run.id}")
    live.stop = task.cancel
    runtime.tasks[run.id] = task
    task.add_done_callback(partial(_left, runtime, live))


def _left(runtime: Runtime, live: Live, task: asyncio.Task[None]) -> None:
    if runtime.tasks.get(live.run.id) is task:  # a run that waited may go on before this is called
        del runtime.tasks[live.run.id]
    if not task.cancelled() and isinstance(error := task.exception(), Exception):
        _log.error("run %s could not be ended; it will be when its lease has lapsed", live.run.id, exc_info=error)
        runtime.journal.abandon(live, error)


async def _carry(runtime: Runtime, live: Live, given: TurnSpec) -> None:
    try:
        ending = await _answer(runtime, live, given)
    except Fenced:
        return  # closed by somebody else, who has written its end
    except asyncio.CancelledError:
        if not runtime.interrupting:
            return  # likewise
        ending = _Ending("interrupted")
    except TurnFailed as failure:
        ending = _Ending("failed", error=failure.problem())
    except Exception as error:  # noqa: BLE001  # logged, and told to the client as `internal`
        _log.exception("run %s failed", live.run.id)
        if isinstance(error, StorageFailed):
            runtime.journal.abandon(live, error)
        ending = _Ending("failed", error=InternalFailure("the service could not finish this answer").problem())
    await _finish(runtime, live, ending)
    if given.is_untitled and ending.status == "completed" and runtime.settings.titles == "model":
        name_session(runtime, live.run)


async def _answer(runtime: Runtime, live: Live, given: TurnSpec) -> _Ending:
    start = await _given(runtime, live.run, given)
    turn = Turn(runtime.model, start)
    live.measure = turn.measure
    outcome = await turn.run(
        partial(runtime.journal.append, live), lambda: runtime.db.snapshot(lambda tx: _said(tx, live.run.id))
    )
    title = title_from_words(start.history[-1]) if given.is_untitled and runtime.settings.titles == "words" else None
    return _Ending(outcome.status, waiting=outcome.waiting, title=title)


async def _given(runtime: Runtime, run: Run, given: TurnSpec) -> TurnInput:
    """What the turn starts from, read in one snapshot."""

    async def read(tx: Transaction) -> TurnInput:
        history = await store_messages.list_branch(tx, run.message_id, HISTORY)
        owner = await store_sessions.get_owner(tx, run.session_id)
        start = TurnInput(
            model=run.model,
            prompt=given.prompt,
            temperature=given.temperature,
            tools=given.tools,
            caller=DatabaseToolContext(owner, run.session_id, run.id, runtime.db),
            tool_timeout=runtime.settings.tool_timeout,
            history=history[:-1],
            message=history[-1],
            context_tokens=runtime.settings.context_tokens,
            finish_reason=run.finish_reason,
            bytes_per_token=await store_runs.bytes_per_token(tx, run.session_id, run.model),
        )
        if run.attempt == 1:
            return start
        said = await _said(tx, run.id)  # it waited, and goes on from there
        return start._replace(message=said, counted=run.usage, input_bytes=await store_runs.get_input_bytes(tx, run.id))

    return await runtime.db.snapshot(read)


async def _said(tx: Transaction, run_id: str) -> Message:
    """The message as the run's log, all of which is committed, has made it.

    Raises:
        Fenced: the session was deleted by another process.
    """
    events = await store_events.list_events(tx, run_id)
    if not events:
        raise Fenced
    return event_log.fold(events)


async def _finish(runtime: Runtime, live: Live, ending: _Ending) -> None:
    """Write the end of the run, or that it waits. When that is impossible (a full disk), it comes as soon as it can."""

    async def write(tx: Transaction) -> list[Entry]:
        if ending.status == "requires_action":
            return [await pause(tx, live.run.id, ending.waiting, runtime.settings.action_deadline)]
        closed = await end_run(tx, live.run.id, ending.status, ending.error)
        assert closed is not None, "the fence was passed in this transaction"
        if ending.title and ending.status == "completed":
            await store_sessions.set_first_title(tx, live.run.session_id, ending.title)
        return closed.entries

    while True:
        try:
            await runtime.journal.finish(live, write)
        except Fenced:
            return
        except StorageFailed as failure:
            _log.error("run %s cannot be written yet: %s", live.run.id, failure)
            runtime.journal.abandon(live, failure)
            if runtime.interrupting:
                return  # the next start closes it
            await asyncio.sleep(RETRY_SECONDS)
        else:
            runtime.notifier.notify(live.run.session_id)
            if ending.status == "requires_action":
                runtime.notifier.notify(DEADLINES)
            return
