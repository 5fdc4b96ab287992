"""How long a search takes that finds nothing, in an archive of 500 sessions: `python bench/search.py [MESSAGES]`."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from chatkeep import clock, ids
from chatkeep.db import Connection
from chatkeep.runs.lifetime import open_database
from chatkeep.search import search
from chatkeep.store import messages, sessions
from chatkeep.types import Message, Session, TextPart

WORDS = "The chicken crossed the road because the road was there and so was the other side of it. " * 5


async def main(each: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        db = await open_database(Path(directory) / "search.db")
        for _ in range(500):
            await db.transaction(lambda tx: fill(tx, each))
        times: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            assert await search(db, "me", "nowhere to be found", 20) == []
            times.append(time.perf_counter() - began)
        print(f"500 sessions of {each} messages of {len(WORDS)} characters: {sorted(times)[2]:.3f} s (median of 5)")
        await db.close()


async def fill(tx: Connection, each: int) -> None:
    now = clock.now()
    session = Session(ids.new(), None, "default", None, {}, "idle", None, 0, now, now)
    await sessions.add_session(tx, "me", session)
    for seq in range(each):
        await messages.add_message(
            tx, Message(ids.new(), session.id, None, seq, "user", (TextPart(WORDS),), None, "completed", now)
        )


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
