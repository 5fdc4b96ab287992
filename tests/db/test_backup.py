"""A backup is complete and consistent, however much is written meanwhile."""

import asyncio
from pathlib import Path

import pytest

from chatkeep.db import Transaction
from chatkeep.db.backup import back_up
from chatkeep.db.sqlite import Sqlite
from chatkeep.errors import CannotStart

pytestmark = pytest.mark.anyio


async def test_a_backup_during_writes_is_one_moment_of_the_database(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "test.db")
    await db.transaction(lambda tx: tx.run("CREATE TABLE pairs (a INTEGER, b INTEGER) STRICT"))

    async def write(tx: Transaction, number: int) -> None:  # both rows, or none
        await tx.run("INSERT INTO pairs VALUES ($1, 1)", number)
        await tx.run("INSERT INTO pairs VALUES ($1, 2)", number)

    async def write_for_ever() -> None:
        number = 0
        while True:
            number += 1
            await db.transaction(lambda tx, number=number: write(tx, number))

    writing = asyncio.create_task(write_for_ever())
    await db.transaction(lambda tx: write(tx, 0))
    await asyncio.to_thread(back_up, tmp_path / "test.db", tmp_path / "copy.db")
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await db.close()

    copy = Sqlite(tmp_path / "copy.db")
    counts = await copy.snapshot(lambda tx: tx.all("SELECT COUNT(*) FROM pairs GROUP BY a HAVING COUNT(*) <> 2"))
    assert counts == []
    assert await copy.snapshot(lambda tx: tx.one("SELECT COUNT(*) > 0 FROM pairs")) == (1,)
    assert await copy.snapshot(lambda tx: tx.one("PRAGMA integrity_check")) == ("ok",)
    await copy.close()


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(CannotStart, match="exists already"):
        back_up(tmp_path / "test.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_without_a_database_there_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"cannot copy .*test\.db"):
        back_up(tmp_path / "test.db", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []
