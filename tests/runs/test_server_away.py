"""PostgreSQL: the server is away for longer than a request waits. Answers under way go on when it is back."""

import asyncio

import pytest

from chatkeep.db.notifier import Notifier
from chatkeep.db.postgres import Postgres
from chatkeep.errors import StorageFailed
from chatkeep.runs.flush_schedule import FlushSchedule
from chatkeep.runs.journal import Journal
from tests.databases import only_postgres
from tests.proxy import Proxy
from tests.runs.test_journal import CountingDatabase, open_run, stored_events, text

pytestmark = [pytest.mark.anyio, only_postgres]


@pytest.mark.parametrize("lease_seconds", [30.0, 0.1])
async def test_a_flush_waits_as_long_as_the_lease(database: str, lease_seconds: float) -> None:
    async with Proxy(database) as proxy:
        db = CountingDatabase(await Postgres.connect(proxy.url, 3, retry_seconds=0.2))
        journal = Journal(db, Notifier(), FlushSchedule(0.05), lease_seconds)
        buffer = await open_run(db, journal)
        proxy.refusing = True
        proxy.cut()
        await journal.append(buffer, text("a"))
        committed = buffer.next_commit()
        with pytest.raises(StorageFailed):
            await db.transaction(lambda tx: tx.run("SELECT 1"))
        if lease_seconds == 30:
            proxy.refusing = False
        await asyncio.wait_for(asyncio.shield(committed), 20)
        assert buffer.is_broken == (lease_seconds < 30)
        proxy.refusing = False
        assert len(await stored_events(db)) == (0 if buffer.is_broken else 1)
        await db.close()
