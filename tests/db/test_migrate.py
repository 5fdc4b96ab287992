"""Migration: a database is brought to this version's schema, or left unchanged."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chatkeep.chat.types import RunKey
from chatkeep.db import Database
from chatkeep.db.migrate import Migration, load_migrations, migrate
from chatkeep.db.open import connect as connect_database
from chatkeep.db.sqlite import Sqlite
from chatkeep.errors import CannotStart
from chatkeep.runs.loading import open_database
from chatkeep.store import events as store_events
from tests.databases import new_database
from tests.deletions import delete_now
from tests.old_database import add_session_of_0001, migrate_to, old_session, read_rows
from tests.service import settings

pytestmark = pytest.mark.anyio

ONE = Migration(1, "one", "CREATE TABLE one (a TEXT); CREATE TABLE other (b TEXT);")
TWO = Migration(2, "two", "ALTER TABLE one ADD COLUMN c TEXT;")


APPLIED = {
    ("sqlite", 1): "f9b66238d410d89987d5c72be6ce21b5587cba98aa80f296468de747f6fe80d8",
    ("postgres", 1): "16a6d4a1824a11048449f7d7b1cdf34104d2648a6df509817e009cd5cee1b9d6",
    ("sqlite", 2): "dbee03beaa549322d717b197cfba36e2f2fe6868484d4dc0a0c75d39187f0137",
    ("sqlite", 3): "76fec914672a8d91367f0dec50d13e3745f8176d3f27ab3fab6cd0da81701728",
    ("postgres", 3): "f2f0a3ead30cf61c16db9b687393b5d9df6fd4437c3f8937d1c12f55b1ca2823",
    ("sqlite", 4): "e970eec1ea8ebddc7e2d95f07e4d9af8181d842510fb94e295ef66ee65101f96",
    ("postgres", 4): "3f3e85205635b6984f0bb9996116168a0e7d8b14ed9643a03dad9728c954fc3f",
    ("sqlite", 5): "ff44b324d701fe89c4390e059345e09cc5226c7292106632bc3f10e28059f359",
    ("postgres", 5): "6bf83faa2b1c29aefda0aaf3f8a981335a146c596bd2e0d01a76b1477bc7ce03",
    ("sqlite", 6): "ea3c93188a9c5762142abcfdbcf6208c45ba74ab80ea12c84969b1a54abfbe75",
    ("postgres", 6): "1762bf7d5256b4bc6644871d24910dcf4317a2d3c12931d166f6fec2fc7e3bbe",
    ("sqlite", 7): "844cfe1838df0482ef8aa44dc918df0414d92dfc75d8f19c9ba90cd5c995f3ba",
    ("postgres", 7): "3bdba7f29804d21938d1856419cecf80be6ad45a0689321b4b08e2cffb38dbc6",
    ("sqlite", 8): "d396dd3d9d76d222979fd0d4ce2fa7272c6a47bd20590c7278c74967619728cc",
    ("postgres", 8): "44452483dbefd2cefd7a225f1c89109eda60000d6cf12b63f2c7e73b69c281c9",
    ("sqlite", 9): "452f9d4335b268ca8b9e8956cdf91217bd43b037f29ed42409f20b4cf2587598",
    ("postgres", 9): "f2da48d5d30386643998f90e359003e1c551de685590f506fb20fab2a2d6d838",
    ("sqlite", 10): "5846186feedca92e3abac4d221936dae15d0721f76ba50d5bd4b3204e26cc670",
    ("postgres", 10): "9ee8cbbfdfe9a10ce7b3e87f525505058b9cba5a17ade92bedddc8ed22592067",
    ("sqlite", 11): "b0d203e25be7ea526786a7c6c5ca244db4d7824a256c423c835053651ea01373",
    ("postgres", 11): "fe43d02d33cb3eaba38c8b355d1da34dfc5b0f1480dd3a5b4ec144e8f39cf81c",
    ("sqlite", 12): "9dfe7749b2cdbb039e9efd846afdbb0ce458e2782a1291e368365b4eadc515bf",
    ("postgres", 12): "a6daec1bb27306833473fcd6f221ffabc343903d5b3bd7d8d400c2dda23bc160",
}
"""Checksums of the released migrations: existing databases were created with them."""


async def tables(db: Sqlite) -> set[str]:
    rows = await db.snapshot(lambda tx: tx.all("SELECT name FROM sqlite_schema WHERE type = 'table'"))
    return {row[0] for row in rows}


async def test_missing_migrations_are_applied_once_and_in_order(tmp_path: Path) -> None:
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
    versions = [migration.version for migration in load_migrations("sqlite")]
    assert versions == list(range(1, len(versions) + 1))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_no_released_migration_is_changed(engine: str) -> None:
    """A database created with another text of a migration is refused. A change needs a migration of its own."""
    assert {(engine, each.version): each.checksum for each in load_migrations(engine)} == {
        place: checksum for place, checksum in APPLIED.items() if place[0] == engine
    }


@pytest.fixture(params=["sqlite", "postgres"])
async def db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Database]:
    """An empty database, once on each engine."""
    with ExitStack() as stack:
        url: Path | str = tmp_path
        if request.param == "postgres":
            url = stack.enter_context(new_database(request.getfixturevalue("postgres"), empty=True))
        db = await connect_database(settings(url))
        yield db
        await db.close()


async def test_rows_of_the_first_version_are_kept(db: Database) -> None:
    session = old_session("first", turns=3)
    await migrate_to(db, 1)
    await db.transaction(lambda tx: add_session_of_0001(tx, session))
    await migrate(db, load_migrations(db.engine))
    rows = await db.snapshot(read_rows)
    assert {name: len(found) for name, found in rows.items()} == {
        "sessions": 1, "messages": 6, "runs": 3, "events": 9, "model calls": 0, "prompts": 0, "facts": 0,
    }  # fmt: skip
    key = RunKey(session.id, 2)
    stored = await db.snapshot(lambda tx: store_events.list_events(tx, key))
    assert [event.position for event in stored] == [1, 2, 3]
    await db.transaction(lambda tx: delete_now(tx, "local", session.id))
    for table in ("run_events", "former_ids", "messages", "runs"):
        assert await db.snapshot(lambda tx, table=table: tx.all(f"SELECT * FROM {table}")) == []  # type: ignore[arg-type]  # of the list above


async def test_docs_schema_sql_is_what_a_new_database_has(tmp_path: Path) -> None:
    db = await open_database(settings(tmp_path))
    rows = await db.snapshot(
        lambda tx: tx.all(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'schema_migrations' ORDER BY rowid"
        )
    )
    await db.close()
    documented = (Path(__file__).parent.parent.parent / "docs" / "schema.sql").read_text("utf-8")
    assert [row[0] for row in rows] == _statements(documented)


def _statements(text: str) -> list[str]:
    text = text.partition("\n\n")[2]
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]
