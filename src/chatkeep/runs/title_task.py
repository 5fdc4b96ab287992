"""A session without a title is given one by the model, after its first complete turn, where nobody waits for it."""

import asyncio
import logging

from chatkeep.agent import titles
from chatkeep.chat.types import Message, Run
from chatkeep.db import Transaction
from chatkeep.errors import StorageFailed, TurnFailed
from chatkeep.runs.runtime import Runtime
from chatkeep.store import messages as store_messages
from chatkeep.store import sessions as store_sessions
from chatkeep.text import clean

_log = logging.getLogger("chatkeep")


def name_session(runtime: Runtime, run: Run) -> None:
    """Begin to find a title for the session of `run`, which has just been completed."""
    if not runtime.draining:
        task = asyncio.create_task(_name(runtime, run), name=f"title {run.session_id}")
        runtime.background_tasks.add(task)
        task.add_done_callback(runtime.background_tasks.discard)


async def _name(runtime: Runtime, run: Run) -> None:
    async def read(tx: Transaction) -> list[Message]:
        return await store_messages.list_branch(tx, run.message_id, 2)

    try:
        turn = await runtime.db.snapshot(read)
        title = await _title(runtime, run, turn)
        if title and await runtime.db.transaction(
            lambda tx: store_sessions.set_first_title(tx, run.session_id, clean(title))
        ):
            runtime.notifier.notify(run.session_id)
    except StorageFailed as failure:
        _log.warning("session %s stays without a title: %s", run.session_id, failure)


async def _title(runtime: Runtime, run: Run, turn: list[Message]) -> str | None:
    """The model's title, or else the first words; None when the session was deleted meanwhile."""
    try:
        if turn and (title := await titles.title_from_model(runtime.model, run.model, turn)):
            return title
    except TurnFailed as failure:
        _log.info("no title from the model: %s", failure)
    return titles.title_from_words(turn[0]) if turn else None
