"""SQLite only: groups of transactions, snapshots, locks, and files that cannot be used."""

# pyright: reportUnknownMemberType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from chatkeep.db import Transaction
from chatkeep.db.backup import back_up
from chatkeep.db.process_lock import ProcessLock
from chatkeep.db.sqlite import WAL_BYTES_KEPT, Sqlite
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


async def test_a_failed_transaction_undoes_no_other_in_its_group(db: Sqlite) -> None:
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


async def test_a_refusal_that_wrote_nothing_repeats_no_other(db: Sqlite) -> None:
    started = threading.Event()
    runs = 0

    async def wait(tx: Transaction) -> None:
        started.wait(10)  # holds the writer, so that those below become one group

    async def write(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        await add(tx, f"number {runs}")

    async def refuse(tx: Transaction) -> None:
        await tx.all("SELECT name FROM things")
        raise LookupError("on purpose")

    submitted = [wait, *[write] * 10, refuse, *[write] * 10, refuse]
    transactions = [asyncio.ensure_future(db.transaction(fn)) for fn in submitted]
    await asyncio.sleep(0)
    started.set()
    outcomes = await asyncio.gather(*transactions, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(LookupError) == 2
    assert runs == len(await names(db)) == 20


async def test_a_failed_change_of_the_schema_is_undone(db: Sqlite) -> None:
    async def fail(tx: Transaction) -> None:
        await tx.run("CREATE TABLE lost (name TEXT) STRICT")
        raise LookupError("on purpose")

    with pytest.raises(LookupError):
        await db.transaction(fail)
    assert await db.snapshot(lambda tx: tx.all("SELECT 1 FROM sqlite_schema WHERE name = 'lost'")) == []


class Unruly(apsw.Connection):
    """A connection whose first ROLLBACK fails, as one on a broken disk."""

    failures = 1

    def execute(self, statement: str, *args: Any, **kwargs: Any) -> Any:
        if statement == "ROLLBACK" and Unruly.failures:
            Unruly.failures -= 1
            raise apsw.IOError("the disk is gone, on purpose")
        return super().execute(statement, *args, **kwargs)


async def test_a_writer_that_cannot_roll_back_goes_on(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "test.db", Unruly)
    await db.transaction(lambda tx: tx.run("CREATE TABLE things (name TEXT, size INTEGER) STRICT"))

    async def fail(tx: Transaction) -> None:
        await add(tx, "lost")
        raise LookupError("on purpose")

    Unruly.failures = 1
    with pytest.raises(StorageFailed, match="disk is gone"):
        await db.transaction(fail)
    Unruly.failures = 2  # the second one ends the thread if nothing catches it
    with pytest.raises(StorageFailed, match="disk is gone"):
        await db.transaction(fail)
    await db.transaction(lambda tx: add(tx, "kept"))
    assert await names(db) == ["kept"]
    await db.close()


async def test_a_cancelled_caller_does_not_undo_its_transaction(db: Sqlite) -> None:
    task = asyncio.ensure_future(db.transaction(lambda tx: add(tx, "there")))
    await asyncio.sleep(0)
    task.cancel()
    await db.transaction(lambda tx: add(tx, "after"))
    assert await names(db) == ["after", "there"]


async def test_a_transaction_may_await_only_its_connection(db: Sqlite) -> None:
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


async def test_a_reader_that_failed_to_open_can_open_later(db: Sqlite, tmp_path: Path) -> None:
    file = db.path.rename(tmp_path / "moved.db")
    with pytest.raises(StorageFailed, match="deleted or replaced"):
        await db.snapshot(lambda tx: tx.one("SELECT 1"))
    file.rename(db.path)
    assert await db.snapshot(lambda tx: tx.one("SELECT 1")) == (1,)


async def test_an_error_in_a_snapshot_is_raised(db: Sqlite) -> None:
    async def fail(tx: Transaction) -> None:
        raise LookupError(f"nothing in {len(await tx.all('SELECT name FROM things'))} things")

    with pytest.raises(LookupError, match="nothing in 0 things"):
        await db.snapshot(fail)


async def test_a_transaction_ended_by_sqlite_fails_its_whole_group(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "small.db")
    await db.transaction(lambda tx: tx.run("CREATE TABLE things (name TEXT, size INTEGER) STRICT"))
    await db.transaction(lambda tx: tx.run("PRAGMA max_page_count = 12"))

    async def flood(tx: Transaction) -> None:
        await tx.run("INSERT INTO things (name, size) VALUES ($1, 1)", "x" * 200_000)

    outcomes = await asyncio.gather(
        db.transaction(lambda tx: add(tx, "small")), db.transaction(flood), return_exceptions=True
    )
    assert isinstance(outcomes[1], StorageFailed)
    remaining = await names(db)
    assert remaining == ([] if isinstance(outcomes[0], StorageFailed) else ["small"])
    await db.transaction(lambda tx: add(tx, "later"))
    assert "later" in await names(db)
    await db.close()


async def test_another_process_s_lock_does_not_block_the_event_loop(db: Sqlite, tmp_path: Path) -> None:
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
from typing import Any
from chatkeep.db.sqlite import WAL_BYTES_KEPT, Sqlite
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


async def test_every_connection_has_the_durability_settings(db: Sqlite) -> None:
    async def pragmas(tx: Transaction) -> list[object]:
        statements = ("PRAGMA journal_mode", "PRAGMA synchronous", "PRAGMA foreign_keys")
        return [(await tx.all(statement))[0][0] for statement in statements]

    assert await db.transaction(pragmas) == ["wal", 2, 1]
    assert (await db.snapshot(pragmas))[2] == 1
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)  # older ones can corrupt a WAL


async def test_a_file_that_is_no_database_is_refused_and_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear Sir or Madam, " * 300)
    before = file.read_bytes()
    with pytest.raises(CannotStart, match=r"letter\.db"):
        Sqlite(file)
    assert file.read_bytes() == before


async def test_a_corrupt_file_is_refused_and_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "bad.db"
    await (await open_database(settings(f"sqlite:///{file}"))).close()
    whole = bytearray(file.read_bytes())
    whole[4096:] = bytes(byte ^ 0x55 for byte in whole[4096:])
    file.write_bytes(whole)
    with pytest.raises(CannotStart, match=r"bad\.db.*malformed"):
        await open_database(settings(f"sqlite:///{file}"))
    assert file.read_bytes() == whole


async def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="nowhere"):
        Sqlite(tmp_path / "nowhere" / "chat.db")


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
async def test_no_write_goes_into_a_file_that_is_gone(
    db: Sqlite, tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, away = f"{db.path}{suffix}", tmp_path / "away"
    shutil.move(path, away)
    stored = await add_until_refused(db)
    for is_replaced in (False, True):
        if is_replaced:
            shutil.copyfile(away, path)
        for name in ("lost", "lost too"):
            with pytest.raises(StorageFailed, match="deleted or replaced"):
                await db.transaction(lambda tx, name=name: add(tx, name))
    assert len(caplog.messages) == 1
    shutil.move(away, path)
    await db.transaction(lambda tx: add(tx, "later"))
    assert await names(db) == sorted([*stored, "later"])


async def add_until_refused(db: Sqlite) -> list[str]:
    """Write until the file is found to be gone, and return what was stored: that of the last second."""
    stored: list[str] = []
    async with asyncio.timeout(10):
        with suppress(StorageFailed):
            while True:
                await db.transaction(lambda tx: add(tx, f"number {len(stored)}"))
                stored.append(f"number {len(stored)}")
    return stored


async def test_a_new_reader_reads_no_other_file(db: Sqlite, tmp_path: Path) -> None:
    db.path.rename(tmp_path / "away")
    await Sqlite(db.path).close()
    with pytest.raises(StorageFailed, match="deleted or replaced"):
        await names(db)


async def test_a_writer_opened_again_takes_no_other_file(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "test.db", Unruly)

    async def fail(tx: Transaction) -> None:
        await tx.run("CREATE TABLE lost (name TEXT) STRICT")
        raise LookupError("on purpose")

    db.path.unlink()
    Unruly.failures = 2
    for _ in range(2):
        with pytest.raises(StorageFailed):
            await db.transaction(fail)
    assert not db.path.exists()
    await db.close()


async def test_a_closed_database_refuses_work(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "test.db")
    await db.close()
    with pytest.raises(StorageFailed, match="closed"):
        await db.transaction(lambda tx: tx.run("SELECT 1"))
    with pytest.raises(StorageFailed, match="closed"):
        await db.snapshot(lambda tx: tx.all("SELECT 1"))


def file_modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_only_the_owner_may_read_the_files(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        db = await open_database(settings(tmp_path))
        await asyncio.to_thread(back_up, Path(db.name), tmp_path / "copy.db")
        modes = file_modes(tmp_path)
        assert {Path(name).suffix for name in modes} >= {".db", ".db-wal", ".db-shm"}
        assert set(modes.values()) == {"0o600"}, modes
        await db.close()
    finally:
        os.umask(before)


async def test_other_programs_can_read_the_file(db: Sqlite, tmp_path: Path) -> None:
    await db.transaction(lambda tx: add(tx, "seen"))
    # In a process of its own: two SQLite libraries in one process do not see each other's locks.
    program = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT name FROM things').fetchall())"
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "test.db"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[('seen',)]\n"


async def test_only_a_single_process_gets_the_exclusive_lock(tmp_path: Path) -> None:
    first, second = ProcessLock(tmp_path / "a.db"), ProcessLock(tmp_path / "a.db")
    assert first.try_exclusive()
    assert not second.try_exclusive()
    first.share()
    second.share()
    assert not ProcessLock(tmp_path / "a.db").try_exclusive()
    first.release()
    second.release()
    assert ProcessLock(tmp_path / "a.db").try_exclusive()


async def test_a_long_transaction_leaves_no_long_log_behind(db: Sqlite) -> None:
    large = "INSERT INTO things (name) VALUES (hex(zeroblob($1)))"
    await db.transaction(lambda tx: tx.run(large, WAL_BYTES_KEPT // 2))
    assert os.path.getsize(f"{db.path}-wal") > WAL_BYTES_KEPT  # noqa: PTH202, ASYNC240  # a local file, in a test
    await db.transaction(lambda tx: add(tx, "next"))
    assert os.path.getsize(f"{db.path}-wal") <= WAL_BYTES_KEPT  # noqa: PTH202, ASYNC240  # as above
