"""Carrying a run: its turn in a task of its own, every event to the journal, and one commit at the end."""

import asyncio
import logging
from contextlib import aclosing
from typing import NamedTuple

from chatkeep import clock
from chatkeep.assistants import Assistant
from chatkeep.db import Connection
from chatkeep.errors import InternalFailure, StorageFailed, TurnFailed
from chatkeep.events import Delta, Entry
from chatkeep.journal import Fenced, Live
from chatkeep.runs.close import close
from chatkeep.runs.worker import Worker
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.turn import Given, Turn
from chatkeep.types import Message, Problem, Run, RunEnd

_log = logging.getLogger("chatkeep")

RETRY_SECONDS = 1.0
"""How long to wait before a run that cannot be written is tried again."""

HISTORY = 2_000
"""The most messages of a branch that a prompt is chosen from."""


class _Ending(NamedTuple):
    status: RunEnd
    finish_reason: str | None = None
    error: Problem | None = None


def start(worker: Worker, run: Run, entry: Entry, assistant: Assistant) -> None:
    """Carry `run`, just claimed, in the background; its readers find it from now on."""
    live = worker.journal.open(run, [entry])
    task = asyncio.create_task(_carry(worker, live, assistant), name=f"run {run.id}")
    worker.tasks[run.id] = task
    task.add_done_callback(lambda task: _left(worker, run, task))


def _left(worker: Worker, run: Run, task: asyncio.Task[None]) -> None:
    del worker.tasks[run.id]
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("run %s could not be ended; the next start will try again", run.id, exc_info=error)


async def _carry(worker: Worker, live: Live, assistant: Assistant) -> None:
    try:
        ending = await _answer(worker, live, assistant)
    except Fenced:
        return  # closed by somebody else, who has written its end
    except asyncio.CancelledError:
        if not worker.interrupting:
            return  # likewise
        ending = _Ending("interrupted")
    except TurnFailed as failure:
        ending = _Ending("failed", error=failure.problem())
    except Exception as error:  # noqa: BLE001  # logged, and told to the client as `internal`
        _log.exception("run %s failed", live.run.id)
        if isinstance(error, StorageFailed):
            worker.journal.abandon(live, error)
        ending = _Ending("failed", error=InternalFailure("the service could not finish this answer").problem())
    await _finish(worker, live, ending)


async def _answer(worker: Worker, live: Live, assistant: Assistant) -> _Ending:
    turn = Turn(worker.model, await _given(worker, live.run, assistant))
    live.measure = lambda: (turn.usage, turn.input_bytes)
    async with aclosing(turn.events()) as happening:
        async for events in happening:
            if live.first_token_at is None and any(isinstance(event, Delta) for event in events):
                live.first_token_at = clock.now()
            await worker.journal.append(live, events)
    assert turn.outcome is not None, "a turn that does not raise has an outcome"
    return _Ending(turn.outcome.status, turn.outcome.finish_reason)


async def _given(worker: Worker, run: Run, assistant: Assistant) -> Given:
    """What the turn starts from, read in one snapshot."""

    async def read(tx: Connection) -> tuple[list[Message], float | None]:
        history = await store_messages.list_branch(tx, run.message_id, HISTORY)
        return history, await store_runs.bytes_per_token(tx, run.session_id, run.model)

    history, ratio = await worker.db.snapshot(read)
    return Given(
        model=run.model,
        prompt=assistant.prompt,
        temperature=assistant.temperature,
        tools={name: worker.tools[name] for name in assistant.functions},
        history=history[:-1],
        message=history[-1],
        context_tokens=worker.settings.context_tokens,
        bytes_per_token=ratio,
    )


async def _finish(worker: Worker, live: Live, ending: _Ending) -> None:
    """Write the end of the run. When that is impossible (a full disk), it comes as soon as it can."""

    async def write(tx: Connection) -> list[Entry]:
        closed = await close(tx, live.run.id, *ending)
        assert closed is not None, "the fence was passed in this transaction"
        return closed.entries

    while True:
        try:
            await worker.journal.finish(live, write)
        except Fenced:
            return
        except StorageFailed as failure:
            _log.error("run %s cannot be written yet: %s", live.run.id, failure)
            worker.journal.abandon(live, failure)
            if worker.interrupting:
                return  # the next start closes it
            await asyncio.sleep(RETRY_SECONDS)
        else:
            worker.doorbell.ring(live.run.session_id)
            return
