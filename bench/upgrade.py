"""Measures an upgrade from the release 0.1.0: seconds of each migration, and bytes before and after.

    python bench/upgrade.py --messages 100000                    a SQLite file
    python bench/upgrade.py --messages 100000 --url postgresql://…/EMPTY

The database is made as that release left it: sessions of 50 turns, 600 characters a message, a log of 20 events for the
last tenth of the runs. Then it is upgraded as at a start of the service, one migration after the other.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.old_database import LAST_RELEASED, add_session, migrate_to, old_session

from chatkeep.db import Database, Transaction
from chatkeep.db.migrate import load_migrations
from chatkeep.db.open import connect
from chatkeep.settings import Settings

TURNS = 50
LOGS_OF = 10
"""Of so many sessions, one has logs."""
TEXT = "The chicken crossed the road because the road was there, and so was the other side of it. " * 7


async def fill(db: Database, messages: int) -> None:
    """Make a database of the last release, with so many messages."""
    await migrate_to(db, LAST_RELEASED)
    for number in range(messages // (2 * TURNS)):
        session = old_session(f"s{number}", TURNS)
        length = 20 if number % LOGS_OF == 0 else 0
        await db.transaction(lambda tx, s=session, n=length: add_session(tx, s, TEXT[:600], log_length=n))


async def read_size(db: Database) -> int:
    """Return the bytes of all tables and indexes that are in use."""

    async def read(tx: Transaction) -> int:
        if db.engine == "postgres":
            row = await tx.one(
                """SELECT CAST(SUM(pg_total_relation_size(oid)) AS bigint) FROM pg_class
                    WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace)"""
            )
        else:
            row = await tx.one(
                "SELECT (c.page_count - f.freelist_count) * 4096 FROM pragma_page_count c, pragma_freelist_count f"
            )
        return row[0] if row else 0

    return await db.snapshot(read)


async def measure(settings: Settings, messages: int) -> None:
    """Make a database, upgrade it, and print what that took."""
    db = await connect(settings)
    try:
        await fill(db, messages)
        before = await read_size(db)
        cpu, seconds = time.process_time(), 0.0
        for version in [each.version for each in load_migrations(db.engine) if each.version > LAST_RELEASED]:
            began = time.monotonic()
            await migrate_to(db, version)
            took = time.monotonic() - began
            seconds += took
            print(f"{version:04d}: {took:.1f} s, {took / messages * 1_000_000:.0f} s a million messages", flush=True)
        cpu = time.process_time() - cpu
        after = await read_size(db)
    finally:
        await db.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{db.engine}, {messages} messages: {seconds:.1f} s, {cpu:.1f} s of CPU here, peak {peak:.0f} MB of memory")
    print(f"bytes a message: {before / messages:.0f} before, {after / messages:.0f} after")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--url", default=None, help="an empty PostgreSQL database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-upgrade-") as folder:
        url = given.url or f"sqlite:///{Path(folder)}/upgrade.db"
        settings = Settings.model_construct().model_copy(update={"database_url": url})
        asyncio.run(measure(settings, given.messages))


if __name__ == "__main__":
    main()
