"""Measures a search without results in 500 sessions: `python bench/search.py [MESSAGES_PER_SESSION]`."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from archive import OWNER, SAID, add_session, opened

from chatkeep.toolbox.search import search

TEXT = SAID * 5


async def main(each: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with opened(Path(directory) / "search.db") as db:
            for _ in range(500):
                await db.transaction(lambda tx: add_session(tx, each, TEXT))
            times: list[float] = []
            for _ in range(5):
                began = time.perf_counter()
                assert (await search(db, OWNER, "nowhere to be found", 20)).results == []
                times.append(time.perf_counter() - began)
    print(f"500 sessions of {each} messages of {len(TEXT)} characters: {sorted(times)[2]:.3f} s (median of 5)")


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
