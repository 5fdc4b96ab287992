"""What the rest of the house may rely on: transactions, groups, snapshots, and what happens when SQLite refuses."""

# pyright: reportUnknownMemberType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import apsw
import pytest

from chatkeep.db import Transaction, sqlite
from chatkeep.db.process_lock import ProcessLock
from chatkeep.db.sqlite import Sqlite
from chatkeep.errors import CannotStart, StorageFailed
from chatkeep.runs.loading import open_database
from tests.service import settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncGenerator[Sqlite]:
    db = Sqlite(tmp_path / "test.db")
    await db.transaction(lambda tx: tx.run("CREATE TABLE things (name TEXT PRIMARY KEY, size INTEGER) STRICT"))
    yield db
    await db.close()


async def names(db: Sqlite) -> list[str]:
    rows = await db.snapshot(lambda tx: tx.all("SELECT name FROM things ORDER BY name"))
    return [row[0] for row in rows]


async def add(tx: Transaction, name: str) -> None:
    await tx.run("INSERT INTO things (name, size) VALUES ($1, $2)", name, len(name))


async def test_parameters_are_bound_by_number_wherever_they_appear(db: Sqlite) -> None:
    row = await db.snapshot(lambda tx: tx.one("SELECT $2, $1, $2", "one", "two"))
    assert row == ("two", "one", "two")


async def test_what_raises_is_undone_alone_though_others_share_its_commit(db: Sqlite) -> None:
    started = threading.Event()

    async def wait(tx: Transaction) -> None:
        started.wait(10)  # holds the writer, so that those below become one group

    async def fail(tx: Transaction) -> None:
        await add(tx, "lost")
        raise LookupError("on purpose")

    holding = asyncio.ensure_future(db.transaction(wait))
    writing = [
        asyncio.ensure_future(db.transaction(lambda tx: add(tx, "kept"))),
        asyncio.ensure_future(db.transaction(fail)),
        asyncio.ensure_future(db.transaction(lambda tx: add(tx, "kept too"))),
    ]
    await asyncio.sleep(0)
    started.set()
    await holding
    outcomes = await asyncio.gather(*writing, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), LookupError, type(None)]
    assert await names(db) == ["kept", "kept too"]


async def test_a_refused_statement_is_a_storage_failure(db: Sqlite) -> None:
    await db.transaction(lambda tx: add(tx, "same"))
    with pytest.raises(StorageFailed, match="UNIQUE"):
        await db.transaction(lambda tx: add(tx, "same"))


async def test_a_caller_that_is_cancelled_does_not_undo_what_it_submitted(db: Sqlite) -> None:
    task = asyncio.ensure_future(db.transaction(lambda tx: add(tx, "there")))
    await asyncio.sleep(0)
    task.cancel()
    await db.transaction(lambda tx: add(tx, "after"))
    assert await names(db) == ["after", "there"]


async def test_a_transaction_may_await_nothing_but_its_connection(db: Sqlite) -> None:
    async def impatient(tx: Transaction) -> None:
        await add(tx, "lost")
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="nothing but its connection"):
        await db.transaction(impatient)
    assert await names(db) == []


async def test_a_snapshot_does_not_change_while_it_is_read(db: Sqlite) -> None:
    reading, written = threading.Event(), threading.Event()

    async def count_twice(tx: Transaction) -> tuple[int, int]:
        first = await tx.all("SELECT name FROM things")
        reading.set()
        assert written.wait(10)
        return len(first), len(await tx.all("SELECT name FROM things"))

    counting = asyncio.ensure_future(db.snapshot(count_twice))
    assert await asyncio.to_thread(reading.wait, 10)
    await db.transaction(lambda tx: add(tx, "new"))
    written.set()
    assert await counting == (0, 0)
    assert await names(db) == ["new"]


async def test_a_snapshot_cannot_write(db: Sqlite) -> None:
    with pytest.raises(StorageFailed, match="readonly"):
        await db.snapshot(lambda tx: add(tx, "no"))


async def test_a_reader_that_cannot_be_opened_now_can_be_later(db: Sqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, flags: int) -> apsw.Connection:
        raise CannotStart("too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "_open", fail)
        with pytest.raises(StorageFailed, match="too many open files"):
            await db.snapshot(lambda tx: tx.one("SELECT 1"))
    assert await db.snapshot(lambda tx: tx.one("SELECT 1")) == (1,)


async def test_what_a_snapshot_raises_is_raised(db: Sqlite) -> None:
    async def fail(tx: Transaction) -> None:
        raise LookupError(f"nothing in {len(await tx.all('SELECT name FROM things'))} things")

    with pytest.raises(LookupError, match="nothing in 0 things"):
        await db.snapshot(fail)


async def test_when_sqlite_ends_the_transaction_itself_nobody_in_the_group_is_told_it_worked(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "small.db")
    await db.transaction(lambda tx: tx.run("CREATE TABLE things (name TEXT, size INTEGER) STRICT"))
    await db.transaction(lambda tx: tx.run("PRAGMA max_page_count = 12"))

    async def flood(tx: Transaction) -> None:
        await tx.run("INSERT INTO things (name, size) VALUES ($1, 1)", "x" * 200_000)

    outcomes = await asyncio.gather(
        db.transaction(lambda tx: add(tx, "small")), db.transaction(flood), return_exceptions=True
    )
    assert isinstance(outcomes[1], StorageFailed)
    kept = await names(db)
    assert kept == ([] if isinstance(outcomes[0], StorageFailed) else ["small"])
    await db.transaction(lambda tx: add(tx, "later"))
    assert "later" in await names(db)
    await db.close()


async def test_the_event_loop_goes_on_while_another_process_holds_the_lock(db: Sqlite, tmp_path: Path) -> None:
    other = apsw.Connection(str(tmp_path / "test.db"))
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(db.transaction(lambda tx: add(tx, "patient")))
    for _ in range(50):  # would not come to its end if the writer waited with the GIL held
        await asyncio.sleep(0.001)
    assert not writing.done()
    other.execute("ROLLBACK")
    await writing
    other.close()


async def test_a_crash_after_the_commit_loses_nothing(tmp_path: Path) -> None:
    program = f"""
import asyncio, os
from pathlib import Path
from chatkeep.db.sqlite import Sqlite
async def main():
    db = Sqlite(Path({str(tmp_path / "crash.db")!r}))
    await db.transaction(lambda tx: tx.run("CREATE TABLE things (name TEXT) STRICT"))
    await db.transaction(lambda tx: tx.run("INSERT INTO things VALUES ('kept')"))
    os._exit(9)
asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    db = Sqlite(tmp_path / "crash.db")
    assert await names(db) == ["kept"]
    assert await db.snapshot(lambda tx: tx.one("PRAGMA integrity_check")) == ("ok",)
    await db.close()


async def test_every_connection_has_the_settings_that_the_promises_rest_on(db: Sqlite) -> None:
    async def pragmas(tx: Transaction) -> list[object]:
        statements = ("PRAGMA journal_mode", "PRAGMA synchronous", "PRAGMA foreign_keys")
        return [(await tx.all(statement))[0][0] for statement in statements]

    assert await db.transaction(pragmas) == ["wal", 2, 1]
    assert (await db.snapshot(pragmas))[2] == 1
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)  # older ones can corrupt a WAL


async def test_a_file_that_is_no_database_is_one_clear_error_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear Sir or Madam, " * 300)
    before = file.read_bytes()
    with pytest.raises(CannotStart, match=r"letter\.db"):
        Sqlite(file)
    assert file.read_bytes() == before


async def test_a_corrupt_file_is_one_clear_error_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "bad.db"
    await (await open_database(settings(f"sqlite:///{file}"))).close()
    whole = bytearray(file.read_bytes())
    whole[4096:] = bytes(byte ^ 0x55 for byte in whole[4096:])
    file.write_bytes(whole)
    with pytest.raises(CannotStart, match=r"bad\.db.*malformed"):
        await open_database(settings(f"sqlite:///{file}"))
    assert file.read_bytes() == whole


async def test_a_folder_that_does_not_exist_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="nowhere"):
        Sqlite(tmp_path / "nowhere" / "chat.db")


async def test_a_closed_database_refuses_work(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "test.db")
    await db.close()
    with pytest.raises(StorageFailed, match="closed"):
        await db.transaction(lambda tx: tx.run("SELECT 1"))


async def test_other_programs_can_read_the_file(db: Sqlite, tmp_path: Path) -> None:
    await db.transaction(lambda tx: add(tx, "seen"))
    # In a process of its own: two SQLite libraries in one process do not see each other's locks.
    program = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT name FROM things').fetchall())"
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "test.db"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[('seen',)]\n"


async def test_only_one_that_is_alone_gets_the_live_lock(tmp_path: Path) -> None:
    first, second = ProcessLock(tmp_path / "a.db"), ProcessLock(tmp_path / "a.db")
    assert first.try_exclusive()
    assert not second.try_exclusive()
    first.share()
    second.share()
    assert not ProcessLock(tmp_path / "a.db").try_exclusive()
    first.release()
    second.release()
    assert ProcessLock(tmp_path / "a.db").try_exclusive()
