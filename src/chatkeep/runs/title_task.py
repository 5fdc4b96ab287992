"""Gives a session a title by the model, in the background, after its first complete turn (CHATKEEP_TITLES=model)."""

import asyncio
import logging

from chatkeep.agent.titles import title_from_model, title_from_words
from chatkeep.chat.types import Message, Run
from chatkeep.errors import StorageFailed, TurnFailed, ValueRefused
from chatkeep.runs.runtime import Runtime
from chatkeep.store import messages as store_messages
from chatkeep.store import sessions as store_sessions
from chatkeep.text import clean

_log = logging.getLogger("chatkeep")


def start_title_task(runtime: Runtime, run: Run) -> None:
    """Begin to find a title for the session of `run`, which was just completed."""
    if not runtime.is_draining:
        task = asyncio.create_task(_add_title(runtime, run), name=f"title {run.session_id}")
        runtime.background_tasks.add(task)
        task.add_done_callback(runtime.background_tasks.discard)


async def _add_title(runtime: Runtime, run: Run) -> None:
    try:
        turn = await runtime.db.snapshot(lambda tx: store_messages.list_branch(tx, run.message_id, 2))
        title = clean(await _find_title(runtime, run, turn) or "")
        if title and await runtime.db.transaction(lambda tx: store_sessions.set_first_title(tx, run.session_id, title)):
            runtime.notifier.notify(run.session_id)
    except (StorageFailed, ValueRefused) as failure:
        _log.warning("session %s stays without a title: %s", run.session_id, failure)


async def _find_title(runtime: Runtime, run: Run, turn: list[Message]) -> str | None:
    """Return the model's title, else the first words; None if the session was deleted meanwhile."""
    try:
        if turn and (title := await title_from_model(runtime.model, run.model, turn)):
            return title
    except TurnFailed as failure:
        _log.info("no title from the model: %s", failure)
    return title_from_words(turn[0]) if turn else None
