"""Keeps the index of words in order, in small transactions.

1. Words that were written lately are moved to where they are found the fastest (`db/sqlite_words.py`).
2. What was stored without words is put into the index (`store/search_backlog.py`). That rests as long as it works:
   others write meanwhile.
"""

import asyncio
import logging
import time

from chatkeep.db import Transaction, can_be_repeated
from chatkeep.runs.passes import repeat
from chatkeep.runs.runtime import Runtime
from chatkeep.store import search_backlog

PASS_SECONDS = 5.0
"""Seconds between two passes."""
REPORT_SECONDS = 30.0
"""Seconds between two lines in the log that say how far it is."""

_log = logging.getLogger("chatkeep")


async def keep_index_forever(runtime: Runtime) -> None:
    """Settle words, and index what the backlog has, pass by pass, until cancelled."""

    async def keep() -> None:
        await settle_words(runtime)
        await index_backlog(runtime)

    await repeat(keep, lambda: asyncio.sleep(PASS_SECONDS), "words that wait for the search")


async def settle_words(runtime: Runtime) -> None:
    """Move all words that wait into the index."""

    async def settle(tx: Transaction) -> bool:
        tx.prove(can_be_repeated)
        return await tx.settle_words()

    while await runtime.db.transaction(settle):
        pass


async def index_backlog(runtime: Runtime) -> None:
    """Index every session of the backlog."""
    count, report_at = 0, time.monotonic() + REPORT_SECONDS
    while session_ids := await runtime.db.snapshot(search_backlog.list_backlog):
        for session_id in session_ids:
            await _index_session(runtime, session_id)
            await settle_words(runtime)
            count += 1
            if time.monotonic() >= report_at:
                report_at = time.monotonic() + REPORT_SECONDS
                _log.info("the search does not find all messages yet: %d sessions were added to its index", count)


async def _index_session(runtime: Runtime, session_id: str) -> None:
    has_more = True
    while has_more:
        begun = time.monotonic()
        has_more = await runtime.db.transaction(lambda tx: search_backlog.index_page(tx, session_id))
        await asyncio.sleep(time.monotonic() - begun)
