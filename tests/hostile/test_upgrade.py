"""An upgrade keeps a copy of a SQLite file from before, or changes nothing."""

from pathlib import Path

import pytest

from chatkeep.db.migrate import load_migrations
from chatkeep.errors import CannotStart
from chatkeep.runs.loading import open_database
from tests.cli.test_main import command
from tests.hostile.database_files import names, query, states
from tests.service import settings

pytestmark = pytest.mark.anyio

COPY = "test.db.before-0003"
LITTLE_ROOM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
from chatkeep.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""A command, where a file may have 150,000 bytes."""


async def test_an_upgrade_keeps_a_copy_from_before(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    await (await open_database(settings(old.parent))).close()
    await (await open_database(settings(old.parent))).close()
    copy = old.with_name(COPY)
    announced, *migrations, ended = caplog.messages
    assert announced.startswith(f"{old} gets a new schema: {len(migrations)} migrations, 0 messages; a million took ")
    assert migrations[0].startswith("migration 0003_logs: Logs go by a number: ")
    assert ended == f"{old} has a new schema; {copy} is a copy from before"
    assert names(old.parent) == ["test.db", COPY]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert query(copy, "SELECT MAX(version) FROM schema_migrations") == [(2,)]
    assert query(old, "SELECT MAX(version) FROM schema_migrations") == [(load_migrations("sqlite")[-1].version,)]
    for file in (old, copy):
        assert query(file, "SELECT COUNT(*) FROM sessions") == [(100,)]
        assert query(file, "PRAGMA integrity_check") == [("ok",)]


async def test_a_copy_can_be_restored_and_upgraded_again(old: Path) -> None:
    await (await open_database(settings(old.parent))).close()
    old.with_name(COPY).replace(old)
    await (await open_database(settings(old.parent))).close()
    assert query(old, "SELECT COUNT(*) FROM sessions") == [(100,)]


async def test_a_new_database_needs_no_copy(tmp_path: Path) -> None:
    await (await open_database(settings(tmp_path))).close()
    assert names(tmp_path) == ["test.db"]


@pytest.mark.parametrize("words", [("migrate",), ("serve", "--port", "0")])
async def test_a_full_disk_refuses_the_upgrade(old: Path, words: tuple[str, ...]) -> None:
    before = states(old.parent)
    done = command(*words, cwd=old.parent, program=("-c", LITTLE_ROOM), CHATKEEP_DATABASE_URL="sqlite:///test.db")
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert "chatkeep: the database needs migration 0003, and a copy before it, and was left as" in last
    assert f"cannot copy test.db to {COPY}: " in last
    assert states(old.parent) == before


async def test_a_copy_of_an_earlier_time_is_kept(old: Path) -> None:
    old.with_name(COPY).write_text("precious")
    before = states(old.parent)
    with pytest.raises(CannotStart, match=rf"{COPY} exists already; .* move an earlier copy away"):
        await open_database(settings(old.parent))
    assert states(old.parent) == before


async def test_a_migration_that_fails_leaves_no_copy(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    query(old, "CREATE TABLE session_prompts (a)")
    before = query(old, "SELECT sql FROM sqlite_schema ORDER BY rowid")
    with pytest.raises(CannotStart, match=r"cannot use the database .*session_prompts already exists"):
        await open_database(settings(old.parent))
    assert query(old, "SELECT sql FROM sqlite_schema ORDER BY rowid") == before
    assert names(old.parent) == ["test.db"]
    assert "has a new schema" not in caplog.text
