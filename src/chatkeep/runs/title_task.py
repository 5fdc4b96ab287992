"""A session without a title is given one by the model, after its first complete turn, where nobody waits for it."""

import asyncio
import logging

from chatkeep.agent import titles
from chatkeep.chat.types import Message, Run
from chatkeep.db import Connection
from chatkeep.errors import StorageFailed, TurnFailed
from chatkeep.runs.runtime import Worker
from chatkeep.store import messages as store_messages
from chatkeep.store import sessions as store_sessions
from chatkeep.text import clean

_log = logging.getLogger("chatkeep")


def name_session(worker: Worker, run: Run) -> None:
    """Begin to find a title for the session of `run`, which has just been completed."""
    if not worker.draining:
        task = asyncio.create_task(_name(worker, run), name=f"title {run.session_id}")
        worker.chores.add(task)
        task.add_done_callback(worker.chores.discard)


async def _name(worker: Worker, run: Run) -> None:
    async def read(tx: Connection) -> list[Message]:
        return await store_messages.list_branch(tx, run.message_id, 2)

    try:
        turn = await worker.db.snapshot(read)
        title = await _title(worker, run, turn)
        if title and await worker.db.transaction(
            lambda tx: store_sessions.set_first_title(tx, run.session_id, clean(title))
        ):
            worker.doorbell.ring(run.session_id)
    except StorageFailed as failure:
        _log.warning("session %s stays without a title: %s", run.session_id, failure)


async def _title(worker: Worker, run: Run, turn: list[Message]) -> str | None:
    """The model's title, or else the first words; None when the session was deleted meanwhile."""
    try:
        if turn and (title := await titles.from_model(worker.model, run.model, turn)):
            return title
    except TurnFailed as failure:
        _log.info("no title from the model: %s", failure)
    return titles.from_words(turn[0]) if turn else None
