"""The write probe: it notices a database that can be read but not written, and writes seldom."""

# pyright: reportUnknownMemberType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import apsw
import pytest

from chatkeep.db import Database, Transaction
from chatkeep.db.sqlite import Sqlite
from chatkeep.db.write_probe import ProbeTimes, WriteProbe
from chatkeep.errors import StorageFailed
from chatkeep.runs.loading import open_database
from tests.databases import not_plain, only_postgres
from tests.postgres import execute
from tests.service import settings

pytestmark = pytest.mark.anyio

AT_ONCE = ProbeTimes(result=0, failure=0, timeout=10)
"""Each check writes, and a failure counts for that check only."""


@pytest.fixture
async def db(database: str) -> AsyncGenerator[Database]:
    db = await open_database(settings(database))
    yield db
    await db.close()


class FullDisk(apsw.Connection):
    """A connection on a disk without space for one more page: nothing can be committed."""

    is_full = False

    def execute(self, statement: str, *args: Any, **kwargs: Any) -> Any:
        if statement == "COMMIT" and FullDisk.is_full and self.total_changes() > 0:
            raise apsw.FullError("database or disk is full")
        return super().execute(statement, *args, **kwargs)


async def versions(db: Database) -> set[int]:
    return {row[0] for row in await db.snapshot(lambda tx: tx.all("SELECT version FROM schema_migrations"))}


async def test_a_probe_leaves_nothing_behind(db: Database) -> None:
    before = await versions(db)
    assert [await WriteProbe(db, AT_ONCE).check() for _ in range(3)] == ["ok"] * 3
    assert await versions(db) == before
    assert db.last_failure is None


async def test_a_probe_really_writes(tmp_path: Path) -> None:
    db = await open_database(settings(tmp_path))
    log = tmp_path / "test.db-wal"
    probe = WriteProbe(db, AT_ONCE)
    sizes = [log.stat().st_size]
    for _ in range(3):
        assert await probe.check() == "ok"
        sizes.append(log.stat().st_size)
    assert sizes == sorted(set(sizes))
    await db.close()


async def test_a_full_disk_is_noticed_and_its_end_too(tmp_path: Path) -> None:
    await (await open_database(settings(tmp_path))).close()
    db = Sqlite(tmp_path / "test.db", FullDisk)
    probe = WriteProbe(db, AT_ONCE)
    assert await probe.check() == "ok"
    FullDisk.is_full = True
    assert await probe.check() == "database or disk is full"
    FullDisk.is_full = False
    assert await probe.check() == "ok"
    await db.close()


async def test_many_checks_are_one_write(tmp_path: Path) -> None:
    db = await open_database(settings(tmp_path))
    log, probe = tmp_path / "test.db-wal", WriteProbe(db, ProbeTimes(result=3600))
    assert await probe.check() == "ok"
    size = log.stat().st_size
    assert set(await asyncio.gather(*(probe.check() for _ in range(100)))) == {"ok"}
    assert log.stat().st_size == size
    await db.close()


async def test_a_lock_of_another_program_is_noticed(tmp_path: Path) -> None:
    db = await open_database(settings(tmp_path))
    other = apsw.Connection(str(tmp_path / "test.db"))
    other.execute("BEGIN IMMEDIATE")
    probe = WriteProbe(db, ProbeTimes(result=0, failure=0, timeout=0.01))
    assert "nothing could be written" in await probe.check()
    assert "nothing could be written" in await probe.check()  # and the first write still waits
    other.execute("ROLLBACK")
    other.close()
    async with asyncio.timeout(10):
        while await probe.check() != "ok":
            await asyncio.sleep(0.01)
    await db.close()


async def test_a_larger_write_that_failed_counts_for_a_while(tmp_path: Path) -> None:
    db = await open_database(settings(tmp_path))
    probe = WriteProbe(db, ProbeTimes(failure=3600))
    await db.transaction(lambda tx: tx.run("PRAGMA max_page_count = 1"))  # SQLite: no fewer than it has

    async def write(tx: Transaction) -> None:
        await tx.run("CREATE TABLE large AS SELECT randomblob(1000000)")

    assert await probe.check() == "ok"
    with pytest.raises(StorageFailed):
        await db.transaction(write)
    assert await probe.check() == "database or disk is full"
    assert await WriteProbe(db, AT_ONCE).check() == "ok"
    await db.close()


@only_postgres
@not_plain
async def test_a_server_that_only_reads_is_noticed(database: str, db: Database) -> None:
    probe = WriteProbe(db, AT_ONCE)
    name = database.rpartition("/")[2]
    server = f"{database.rpartition('/')[0]}/postgres"
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    await execute(server, f"ALTER DATABASE {name} SET default_transaction_read_only = on", end)
    assert "read-only" in await probe.check()
    await execute(server, f"ALTER DATABASE {name} RESET default_transaction_read_only", end)
    assert await probe.check() == "ok"
