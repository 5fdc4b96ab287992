"""Executes a run: its turn in a task of its own, every event to the journal, and one commit at the end."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

from chatkeep.agent.turn import Turn
from chatkeep.agent.turn_spec import TurnSpec
from chatkeep.chat.events import Entry
from chatkeep.chat.types import Problem, Run, RunEnd
from chatkeep.db import Transaction
from chatkeep.errors import InternalFailure, StorageFailed, TurnFailed
from chatkeep.runs.end import end_run
from chatkeep.runs.run_buffer import Fenced, RunBuffer
from chatkeep.runs.run_task import start_run_task
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.title_task import start_title_task
from chatkeep.runs.tool_calls import DEADLINES, wait_for_client
from chatkeep.runs.turn_input import TurnHistory, build_input, count_prompt_tokens, read_history, read_message

_log = logging.getLogger("chatkeep")

RETRY_SECONDS = 1.0
"""Seconds before the end of a run that could not be written is tried again."""

_INTERNAL = InternalFailure("the service could not finish this answer").problem()


class _Ending(NamedTuple):
    """How the run ends, or that it waits for the calls `waiting`."""

    status: RunEnd | Literal["requires_action"]
    error: Problem | None = None
    waiting: Sequence[str] = ()


def start_execution(
    runtime: Runtime, run: Run, entries: Sequence[Entry], spec: TurnSpec, now: str, history: TurnHistory | None = None
) -> None:
    """Execute `run`, just claimed or resumed, in the background. Its readers find it in the journal from now on.

    `entries` are the newest of its log, which are committed; `now` is the database's time. Without a `history`, it is
    read from the database.
    """
    buffer = runtime.journal.open(run, entries, now)
    work = _execute(runtime, buffer, spec, history)
    buffer.cancel_turn = start_run_task(runtime, run, work, partial(_on_done, runtime, buffer)).cancel


def _on_done(runtime: Runtime, buffer: RunBuffer, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and isinstance(error := task.exception(), Exception):
        _log.error("run %s could not be ended; it will be when its lease has lapsed", buffer.run.id, exc_info=error)
        runtime.journal.abandon(buffer, error)


async def _execute(runtime: Runtime, buffer: RunBuffer, spec: TurnSpec, history: TurnHistory | None) -> None:
    try:
        ending = await _run_turn(runtime, buffer, spec, history)
    except Fenced:
        return  # the worker that raised the fence has written the end
    except asyncio.CancelledError:
        if not runtime.is_interrupting:
            return  # likewise
        ending = _Ending("interrupted")
    except TurnFailed as failure:
        ending = _Ending("failed", error=failure.problem())
    except Exception as error:  # noqa: BLE001  # logged, and told to the client as `internal`
        _log.exception("run %s failed", buffer.run.id)
        if isinstance(error, StorageFailed):
            runtime.journal.abandon(buffer, error)
        ending = _Ending("failed", error=_INTERNAL)
    await _finish(runtime, buffer, ending)
    if spec.is_untitled and ending.status == "completed" and runtime.settings.titles == "model":
        start_title_task(runtime, buffer.run, spec.assistant)


async def _run_turn(runtime: Runtime, buffer: RunBuffer, spec: TurnSpec, history: TurnHistory | None) -> _Ending:
    if history is None:
        max_tokens = count_prompt_tokens(runtime)
        history = await runtime.db.snapshot(lambda tx: read_history(tx, buffer.run, max_tokens))
    turn_input = await build_input(runtime, buffer.run, spec, history)
    turn = Turn(runtime.model, turn_input)
    buffer.take_progress = turn.take_progress
    outcome = await turn.run(
        partial(runtime.journal.append, buffer),
        lambda: runtime.db.snapshot(lambda tx: read_message(tx, buffer.run.key)),
    )
    return _Ending(outcome.status, waiting=outcome.waiting)


async def _finish(runtime: Runtime, buffer: RunBuffer, ending: _Ending) -> None:
    """Write the end of the run, or that it waits. If that is impossible (a full disk), try until it is possible.

    An end that would be refused again is written as a failure, without what the database may not take. So a run is not
    left to its lease.
    """
    run, deadline_seconds = buffer.run, runtime.settings.action_deadline
    while True:
        try:
            await runtime.journal.finish(buffer, partial(_write_end, run, ending, deadline_seconds))
        except Fenced:
            return
        except Exception as error:  # logged; the run must end
            if isinstance(error, StorageFailed):
                _log.error("run %s cannot be written yet: %s", run.id, error)
                runtime.journal.abandon(buffer, error)
                if runtime.is_interrupting:
                    return  # the next start ends it
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if not buffer.simplify():
                raise
            _log.error("run %s cannot be ended as it is", run.id, exc_info=error)
            ending = _Ending("failed", error=_INTERNAL)
        else:
            break
    runtime.notify_session(run.session_id, runtime.slots.owner_of(run.id))
    if ending.status == "requires_action":
        runtime.notifier.notify(DEADLINES)


async def _write_end(run: Run, ending: _Ending, deadline_seconds: float, tx: Transaction) -> list[Entry]:
    if ending.status == "requires_action":
        return [await wait_for_client(tx, run.key, ending.waiting, deadline_seconds)]
    ended = await end_run(tx, run.key, ending.status, ending.error)
    assert ended is not None, "the fence was passed in this transaction"
    return ended.entries
