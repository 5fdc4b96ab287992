"""A database gets to this version's schema, or is left as it is."""

from pathlib import Path

import pytest

from chatkeep.db.sqlite import Sqlite
from chatkeep.errors import CannotStart
from chatkeep.migrate import Migration, known, migrate
from chatkeep.runs.lifetime import open_database
from tests.service import settings

pytestmark = pytest.mark.anyio

ONE = Migration(1, "one", "CREATE TABLE one (a TEXT); CREATE TABLE other (b TEXT);")
TWO = Migration(2, "two", "ALTER TABLE one ADD COLUMN c TEXT;")


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
