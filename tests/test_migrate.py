"""A database gets to this version's schema, or is left as it is."""

from pathlib import Path

import pytest

from chatkeep.db import Connection
from chatkeep.db.sqlite import Sqlite
from chatkeep.errors import CannotStart
from chatkeep.events import StepStarted, enter
from chatkeep.migrate import Migration, known, migrate
from chatkeep.runs.lifetime import open_database
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.store.leases import Lease
from chatkeep.types import Session
from tests.service import settings
from tests.values import TIME, message, run

pytestmark = pytest.mark.anyio

ONE = Migration(1, "one", "CREATE TABLE one (a TEXT); CREATE TABLE other (b TEXT);")
TWO = Migration(2, "two", "ALTER TABLE one ADD COLUMN c TEXT;")


APPLIED = {
    ("sqlite", 1): "f9b66238d410d89987d5c72be6ce21b5587cba98aa80f296468de747f6fe80d8",
    ("postgres", 1): "16a6d4a1824a11048449f7d7b1cdf34104d2648a6df509817e009cd5cee1b9d6",
    ("sqlite", 2): "dbee03beaa549322d717b197cfba36e2f2fe6868484d4dc0a0c75d39187f0137",
}
"""Checksums of the files that databases out there were made with."""


async def tables(db: Sqlite) -> set[str]:
    rows = await db.snapshot(lambda tx: tx.all("SELECT name FROM sqlite_schema WHERE type = 'table'"))
    return {row[0] for row in rows}


async def test_what_is_missing_is_applied_once_and_in_order(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "test.db")
    assert await migrate(db, [ONE]) == [ONE]
    assert await migrate(db, [ONE, TWO]) == [TWO]
    assert await migrate(db, [ONE, TWO]) == []
    assert {"one", "other", "schema_migrations"} <= await tables(db)
    await db.close()


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "test.db")
    await migrate(db, [ONE, TWO])
    with pytest.raises(CannotStart, match=r"newer than this version.*0002"):
        await migrate(db, [ONE])
    await db.close()


async def test_a_changed_migration_is_refused(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "test.db")
    await migrate(db, [ONE])
    with pytest.raises(CannotStart, match="0001_one was changed"):
        await migrate(db, [ONE._replace(sql="CREATE TABLE one (z TEXT);"), TWO])
    await db.close()


async def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    db = Sqlite(tmp_path / "test.db")
    broken = Migration(2, "broken", "CREATE TABLE half (a TEXT); CREATE TABLE half (a TEXT);")
    with pytest.raises(Exception, match="already exists"):
        await migrate(db, [ONE, broken])
    assert await tables(db) == set()
    assert await migrate(db, [ONE]) == [ONE]
    await db.close()


async def test_versions_are_numbered_without_a_gap() -> None:
    assert [migration.version for migration in known("sqlite")] == list(range(1, len(known("sqlite")) + 1))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_no_file_that_was_applied_is_changed(engine: str) -> None:
    """A database that was made with another text of one is refused: a change is a file of its own."""
    assert {(engine, each.version): each.checksum for each in known(engine)} == {
        place: checksum for place, checksum in APPLIED.items() if place[0] == engine
    }


async def test_logs_are_kept_when_their_table_gets_a_rowid(tmp_path: Path) -> None:
    first, second, *_ = known("sqlite")
    db = Sqlite(tmp_path / "test.db")
    await migrate(db, [first])
    entries = [enter(StepStarted(position=position, index=0)) for position in (1, 2, 3)]

    async def fill(tx: Connection) -> None:
        await store_sessions.add_session(tx, "me", Session("s", None, "a", None, {}, "idle", None, 0, TIME, TIME))
        for seq, role in enumerate(("user", "assistant"), 1):
            await store_messages.add_message(tx, message(role, seq=seq))
        await store_runs.add_run(tx, run(), {}, None, "", Lease("here", TIME))
        await store_events.add_events(tx, "r", entries)

    await db.transaction(fill)
    assert await migrate(db, [first, second]) == [second]
    assert await db.snapshot(lambda tx: store_events.list_events(tx, "r")) == [entry.event for entry in entries]
    await db.transaction(lambda tx: store_sessions.delete_session(tx, "me", "s"))
    assert await db.snapshot(lambda tx: store_events.list_events(tx, "r")) == []
    await db.close()


async def test_docs_schema_sql_is_what_a_new_database_has(tmp_path: Path) -> None:
    db = await open_database(settings(tmp_path))
    rows = await db.snapshot(
        lambda tx: tx.all(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'schema_migrations' ORDER BY rowid"
        )
    )
    await db.close()
    documented = (Path(__file__).parent.parent / "docs" / "schema.sql").read_text("utf-8")
    assert [row[0] for row in rows] == _statements(documented)


def _statements(text: str) -> list[str]:
    text = text.partition("\n\n")[2]
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]
