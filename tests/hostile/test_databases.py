"""A database that is not this version's is refused in one line, and left as it is."""

from pathlib import Path

import pytest

from chatkeep.db.migrate import load_migrations, migrate
from chatkeep.db.open import connect as connect_database
from chatkeep.errors import CannotStart
from chatkeep.runs.loading import open_database
from tests.cli.test_main import command
from tests.databases import new_database
from tests.hostile.database_files import query, states
from tests.postgres import Server, execute
from tests.service import settings

pytestmark = pytest.mark.anyio

URL = "sqlite:///test.db"
UNRECORDED = "test.db has tables, but no record of chatkeep's migrations"
RECORD = "UPDATE schema_migrations SET"
FORMS = {
    f"{RECORD} version = 9000 WHERE version = 2": "newer than this version of chatkeep: it has migration 9000",
    f"{RECORD} version = 0 WHERE version = 2": "migration 0000, which no release has: an unreleased version",
    f"{RECORD} checksum = 'x' WHERE version = 2": "0002_events was changed after it was applied: an unreleased",
    "DROP TABLE schema_migrations": UNRECORDED,
    "ALTER TABLE schema_migrations RENAME checksum TO dirty": UNRECORDED,
}


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("change", FORMS)
async def test_another_form_is_refused_and_left(old: Path, change: str, mode: str) -> None:
    query(old, change)
    query(old, f"PRAGMA journal_mode = {mode}")
    before = states(old.parent)
    for words in (("migrate",), ("serve", "--port", "0"), ("copy", URL, "sqlite:///other.db")):
        done = command(*words, cwd=old.parent, CHATKEEP_DATABASE_URL=URL)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
        assert FORMS[change] in done.stderr
        old.with_name("test.db.live").unlink(missing_ok=True)  # of `copy`, which locks first
        assert states(old.parent) == before


@pytest.mark.parametrize("content", [b"Dear Sir or Madam, " * 300, b"\x00" * 5_000])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "test.db").write_bytes(content)
    before = states(tmp_path)
    with pytest.raises(CannotStart, match=r"cannot open the database .*test.db: it is no SQLite file; name another"):
        await open_database(settings(tmp_path))
    assert states(tmp_path) == before


async def test_a_foreign_file_is_refused_and_left(tmp_path: Path) -> None:
    query(tmp_path / "test.db", "CREATE VIEW recipes AS SELECT 1")
    before = states(tmp_path)
    with pytest.raises(CannotStart, match="no record of chatkeep's migrations"):
        await open_database(settings(tmp_path))
    assert states(tmp_path) == before


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE sessions (a text)", "has a table sessions, but no record of chatkeep's migrations"),
        ("CREATE TABLE schema_migrations (version text)", "schema_migrations is another program's"),
    ],
)
async def test_a_foreign_form_on_postgres_is_refused(postgres: Server, statement: str, message: str) -> None:
    with new_database(postgres, empty=True) as url:
        await execute(url, statement)
        db = await connect_database(settings(url))
        with pytest.raises(CannotStart, match=message):
            await migrate(db, load_migrations("postgres"))
        assert not await db.snapshot(lambda tx: tx.list_columns("runs"))
        await db.close()


async def test_other_tables_beside_ours_are_no_harm(postgres: Server) -> None:
    with new_database(postgres, empty=True) as url:
        await execute(url, "CREATE TABLE recipes (a text)")
        await (await open_database(settings(url))).close()
