"""A run that begins to wait for the client. It is carried by nobody then, and survives a restart (`resume.py`)."""

from collections.abc import Sequence

from chatkeep import clock
from chatkeep.chat.events import Entry, RunWaiting, to_entry
from chatkeep.db import Transaction
from chatkeep.store import events as store_events
from chatkeep.store import waiting as store_waiting

DEADLINES = "deadlines"
"""The bell that rings when a run begins to wait."""


async def pause(tx: Transaction, run_id: str, calls: Sequence[str], seconds: float) -> Entry:
    """Let a run that is being carried wait for the client to answer `calls`, for so many seconds."""
    deadline = clock.add_seconds(await tx.now(), seconds)
    position = await store_waiting.set_waiting(tx, run_id, deadline)
    entry = to_entry(RunWaiting(position=position, calls=tuple(calls), deadline=deadline))
    await store_events.add_events(tx, run_id, [entry])
    return entry
