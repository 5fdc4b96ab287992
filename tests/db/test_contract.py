"""The contract of `Database`, held on both engines."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from chatkeep import clock
from chatkeep.db import Database, Transaction
from chatkeep.db.open import connect
from chatkeep.errors import StatementFailed, StorageFailed, ValueRefused
from chatkeep.settings import Settings
from tests.service import settings
from tests.values import TIME, uid

pytestmark = pytest.mark.anyio


@pytest.fixture
def database_settings(database: str) -> Settings:
    return settings(database)


@pytest.fixture
async def db(database_settings: Settings) -> AsyncGenerator[Database]:
    db = await connect(database_settings)
    await db.transaction(lambda tx: tx.run("CREATE TABLE things (name TEXT PRIMARY KEY, size INTEGER)"))
    yield db
    await db.close()


async def names(db: Database) -> list[str]:
    rows = await db.snapshot(lambda tx: tx.all("SELECT name FROM things ORDER BY size, name"))
    return [row[0] for row in rows]


async def add(tx: Transaction, name: str, size: int = 0) -> None:
    await tx.run("INSERT INTO things (name, size) VALUES ($1, $2)", name, size)


async def test_parameters_are_bound_by_number_wherever_they_appear(db: Database) -> None:
    text = "SELECT CAST($2 AS TEXT), CAST($1 AS TEXT), CAST($2 AS TEXT)"
    assert await db.snapshot(lambda tx: tx.one(text, "one", "two")) == ("two", "one", "two")


async def test_a_failed_transaction_is_undone_whole(db: Database) -> None:
    async def fail(tx: Transaction) -> None:
        await add(tx, "lost")
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        await db.transaction(fail)
    assert await names(db) == []


async def test_many_and_returning_run_once_for_each_row(db: Database) -> None:
    async def write(tx: Transaction) -> list[tuple[str]]:
        await tx.many("INSERT INTO things (name, size) VALUES ($1, $2)", [("a", 1), ("b", 2), ("c", 3)])
        await tx.many("INSERT INTO things (name, size) VALUES ($1, $2)", [])
        assert await tx.returning("DELETE FROM things WHERE name = $1 RETURNING name", []) == []
        sizes = [("a", 2), ("nothing", 2), ("c", 1)]
        rows = await tx.returning("UPDATE things SET size = $2 WHERE name = $1 AND size > 0 RETURNING name", sizes)
        return [(row[0],) for row in rows]

    assert await db.transaction(write) == [("a",), ("c",)]
    assert await names(db) == ["c", "a", "b"]


async def test_one_returns_none_without_a_row(db: Database) -> None:
    assert await db.snapshot(lambda tx: tx.one("SELECT name FROM things WHERE name = $1", "nobody")) is None


async def test_a_refused_value_is_no_storage_failure(db: Database) -> None:
    await db.transaction(lambda tx: add(tx, "same"))
    with pytest.raises(ValueRefused, match=r"(?i)unique"):
        await db.transaction(lambda tx: add(tx, "same"))


async def test_a_refused_statement_is_a_failed_one(db: Database) -> None:
    with pytest.raises(StatementFailed):
        await db.transaction(lambda tx: tx.run("SELECT nothing FROM nowhere"))


async def test_a_cancelled_caller_does_not_undo_its_transaction(db: Database) -> None:
    task = asyncio.ensure_future(db.transaction(lambda tx: add(tx, "there")))
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(10):
        while await names(db) != ["there"]:
            await asyncio.sleep(0.001)
    assert task.cancelled()


async def test_a_snapshot_cannot_write(db: Database) -> None:
    with pytest.raises(StorageFailed, match=r"read-?only"):
        await db.snapshot(lambda tx: add(tx, "no"))


async def test_the_time_is_constant_within_a_transaction(db: Database) -> None:
    async def twice(tx: Transaction) -> tuple[str, str]:
        return await tx.now(), await tx.now()

    first, again = await db.transaction(twice)
    assert first == again == clock.parse(first).strftime(clock.FORMAT)
    assert first < (await db.snapshot(twice))[0]


async def test_stored_text_is_read_back_unchanged(database: str, database_settings: Settings) -> None:
    """Ids, times to the microsecond, and JSON byte for byte, through the columns of the real schema."""
    from chatkeep.runs.loading import open_database

    db = await open_database(database_settings)
    metadata = '{"b":  "1", "a": "\\u00e9\U0001f414 \\\\ \\"", "z":"", "a2":"x"}'

    async def write(tx: Transaction) -> object:
        await tx.run(
            """INSERT INTO sessions (session_key, id, owner, assistant, metadata, next_message, next_run, created_at,
                                     updated_at)
               VALUES (7, $1, $2, $3, $4, 1, 1, $5, $6)""",
            *(uid("s"), "me", "default", metadata, TIME, "2026-01-02T03:04:05.000000Z"),
        )
        return await tx.one("SELECT id, metadata, created_at, updated_at FROM sessions WHERE id = $1", uid("s"))

    assert await db.transaction(write) == (uid("s"), metadata, TIME, "2026-01-02T03:04:05.000000Z")
    await db.close()


async def test_a_closed_database_refuses_work(db: Database) -> None:
    await db.close()
    with pytest.raises(StorageFailed):
        await db.transaction(lambda tx: add(tx, "late"))
