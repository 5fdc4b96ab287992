"""Databases of an earlier version, and what their files are made of."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chatkeep.db import Transaction
from chatkeep.db.migrate import load_migrations, migrate
from chatkeep.db.sqlite import Sqlite
from tests.values import TIME, uid


@pytest.fixture
async def old(tmp_path: Path) -> Path:
    """A database of an earlier version with 100 sessions, of more than 150,000 bytes."""
    path = tmp_path / "test.db"
    db = Sqlite(path)
    await migrate(db, load_migrations("sqlite")[:2])

    async def fill(tx: Transaction) -> None:
        for number in range(100):
            await tx.run(
                """INSERT INTO sessions (id, owner, assistant, metadata, next_message, next_run, created_at, updated_at)
                   VALUES ($1, 'me', $2, '{}', 1, 1, $3, $3)""",
                *(uid(f"s{number}"), "a" * 2_000, TIME),
            )

    await db.transaction(fill)
    await db.close()
    return path


def names(folder: Path) -> list[str]:
    """The names of the files in a folder, in order."""
    return sorted(file.name for file in folder.iterdir())


def states(folder: Path) -> dict[str, str]:
    """The digest of each file by its name."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names(folder)}


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Run a statement on a file that no process has open, and return its rows."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(sql).fetchall()
        connection.commit()
        return rows
