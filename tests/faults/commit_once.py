"""Commits one transaction with a marker, then prints a word: `python commit_once.py DATABASE MARKER`."""

import asyncio
import sys
from pathlib import Path

from chatkeep.db import Transaction
from chatkeep.db.sqlite import Sqlite


async def main(path: Path, marker: str) -> None:
    """Create the file, then commit the marker in a transaction of its own."""
    db = Sqlite(path)

    async def make(tx: Transaction) -> None:
        await tx.run("CREATE TABLE markers (marker TEXT)")

    async def say(tx: Transaction) -> None:
        await tx.run("INSERT INTO markers VALUES ($1)", marker)

    await db.transaction(make)
    await db.transaction(say)
    print("promised", flush=True)
    await db.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
