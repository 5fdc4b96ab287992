"""Gives a session a title by the model, in the background, after its first complete turn (CHATKEEP_TITLES=model).

Until then its title is the first words of the user, as the claim has stored them.
"""

import asyncio
import logging
from collections.abc import Sequence

from chatkeep.agent.context_window import DEFAULT_BYTES_PER_TOKEN
from chatkeep.agent.titles import title_from_model, title_from_parts
from chatkeep.agent.usage_meter import UsageMeter
from chatkeep.chat.model_call import ModelCall
from chatkeep.chat.types import Message, Run, Usage
from chatkeep.db import Transaction
from chatkeep.errors import StorageFailed, TurnFailed, ValueRefused
from chatkeep.runs.runtime import Runtime
from chatkeep.store import messages as store_messages
from chatkeep.store import model_calls as store_calls
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.store import usage as store_usage
from chatkeep.store.usage import Payer
from chatkeep.text import clean

_log = logging.getLogger("chatkeep")


def start_title_task(runtime: Runtime, run: Run, assistant: str) -> None:
    """Begin to find a better title for the session of `run`, which `assistant` has just completed."""
    if not runtime.is_draining:
        task = asyncio.create_task(_add_title(runtime, run, assistant), name=f"title {run.session_id}")
        runtime.background_tasks.add(task)
        task.add_done_callback(runtime.background_tasks.discard)


async def _add_title(runtime: Runtime, run: Run, assistant: str) -> None:
    try:
        turn, calls, owner = await runtime.db.snapshot(lambda tx: _read_turn(tx, run))
        if not turn:
            return  # the session is deleted
        meter = UsageMeter(Usage(), calls, 0, DEFAULT_BYTES_PER_TOKEN)
        words, payer = title_from_parts(turn[0].parts), Payer(owner, assistant)
        title = clean(await _find_title(runtime, run, turn, meter) or "")
        ended = meter.take_progress(None).ended
        if await runtime.db.transaction(lambda tx: _write_title(tx, run, title, words, ended, payer)):
            runtime.notify_session(run.session_id, owner)
    except (StorageFailed, ValueRefused) as failure:
        _log.warning("session %s keeps its first words as its title: %s", run.session_id, failure)


async def _read_turn(tx: Transaction, run: Run) -> tuple[list[Message], int, str]:
    """Return the run's two messages, how many calls of models it has made, and whose they are.

    There are no messages if the session is deleted.
    """
    messages = await store_messages.list_branch(tx, run.session_id, run.message_id, 2)
    owner = await store_sessions.get_owner(tx, run.session_id) if messages else store_sessions.NO_OWNER
    if owner == store_sessions.NO_OWNER:
        return [], 0, owner
    return messages, await store_calls.count_calls(tx, run.key), owner


async def _write_title(
    tx: Transaction, run: Run, title: str, words: str | None, calls: Sequence[ModelCall], payer: Payer
) -> bool:
    """Write the calls that the title took, and the title if there is one. Return True if the session has it now."""
    if calls:
        await store_usage.add_usage(tx, payer, calls)
    if await store_runs.find_run(tx, run.key) is None:
        return False  # the session was deleted meanwhile
    await store_calls.add_calls(tx, [(run.key, calls)])
    return bool(title) and await store_sessions.set_better_title(tx, run.session_id, title, words)


async def _find_title(runtime: Runtime, run: Run, turn: list[Message], meter: UsageMeter) -> str | None:
    """Return the model's title, None if it has none to offer."""
    try:
        return await title_from_model(runtime.model, run.model, turn, meter)
    except TurnFailed as failure:
        _log.info("no title from the model: %s", failure)
        return None
