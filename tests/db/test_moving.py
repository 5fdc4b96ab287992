"""Migration 0006 moves every row, page by page, however often it is cut off."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from chatkeep.db import Database, Transaction
from chatkeep.db.migrate import load_migrations, migrate
from chatkeep.db.moving import STEPS, move_rows
from chatkeep.db.open import connect
from chatkeep.errors import CannotStart, NotFound, StorageFailed
from chatkeep.runs.loading import open_database
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from tests.databases import new_database
from tests.deletions import until_gone
from tests.hostile.database_files import names
from tests.old_database import LAST_OLD, OldSession, add_session, add_the_rest, migrate_to, old_session, read_rows
from tests.postgres import Server
from tests.service import serving, settings

pytestmark = pytest.mark.anyio

T = TypeVar("T")
SESSIONS = [old_session("empty", 0), *(old_session(f"s{turns}", turns) for turns in (1, 2, 7))]


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    return f"sqlite:///{tmp_path}/test.db"


class Dying:
    """A database whose process dies after so many transactions."""

    def __init__(self, db: Database, transactions: int) -> None:
        self._db = db
        self.engine, self.name, self.last_failure = db.engine, db.name, db.last_failure
        self.left = transactions

    async def transaction(self, fn: Callable[[Transaction], Awaitable[T]], *, patience_seconds: float = 0.0) -> T:
        if not self.left:
            raise StorageFailed("dead")
        self.left -= 1
        return await self._db.transaction(fn)

    async def snapshot(self, fn: Callable[[Transaction], Awaitable[T]]) -> T:
        return await self._db.snapshot(fn)

    async def close(self) -> None:
        await self._db.close()


async def fill(db: Database, sessions: list[OldSession]) -> None:
    """Bring an empty database to the last old schema, and add sessions."""
    await migrate_to(db, LAST_OLD)
    for session in sessions:
        await db.transaction(lambda tx, session=session: add_session(tx, session))
    if sessions:
        await db.transaction(lambda tx: add_the_rest(tx, sessions[-1]))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_a_move_goes_on_where_it_was_cut_off(engine: str, tmp_path: Path, postgres: Server) -> None:
    with new_database(postgres, empty=True) as url:
        db = await connect(settings(url if engine == "postgres" else tmp_path))
        await fill(db, SESSIONS)
        before = await db.snapshot(read_rows)
        assert all(before.values())
        await migrate_to(db, LAST_OLD + 1)
        lives = 0
        with pytest.raises(StorageFailed):
            await move_rows(Dying(db, 0), page_rows=2)
        while True:
            lives += 1
            try:
                await move_rows(Dying(db, len(STEPS) + 1), page_rows=2)
                break
            except StorageFailed:
                continue
        assert lives > 4
        await migrate(db, load_migrations(engine))
        assert await db.snapshot(read_rows) == before
        assert not await db.snapshot(lambda tx: tx.list_columns("moved_rows"))
        assert not await db.snapshot(lambda tx: tx.list_columns("old_messages"))
        await db.close()


async def test_a_move_says_how_far_it_is(database: str) -> None:
    db = await connect(settings(database))
    await fill(db, SESSIONS)
    await migrate_to(db, LAST_OLD + 1)
    reported: list[tuple[int, int]] = []
    with pytest.raises(StorageFailed):
        await move_rows(Dying(db, 9), 2, lambda done, total: reported.append((done, total)))
    moved = len(reported)
    total = reported[0][1]
    await move_rows(db, 2, lambda done, total: reported.append((done, total)))
    await db.close()
    assert reported == [(n + 1, total) for n in range(moved)] + [(n + 1, total - moved) for n in range(total - moved)]


async def test_a_start_goes_on_with_a_move(database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The copy from before is kept from the first change on, and no second one is made."""
    db = await connect(settings(database))
    await fill(db, SESSIONS)
    before = await db.snapshot(read_rows)
    await migrate_to(db, LAST_OLD + 1)
    with pytest.raises(StorageFailed):
        await move_rows(Dying(db, 5), page_rows=3)
    await db.close()
    db = await open_database(settings(database))
    assert await db.snapshot(read_rows) == before
    await db.close()
    assert names(tmp_path) == ["test.db"]


async def test_a_migration_that_fails_before_the_move_leaves_no_copy(database: str, tmp_path: Path) -> None:
    db = await connect(settings(database))
    await fill(db, SESSIONS)
    await db.transaction(lambda tx: tx.run("CREATE TABLE users (a)"))
    await db.close()
    with pytest.raises(CannotStart, match="users already exists"):
        await open_database(settings(database))
    assert names(tmp_path) == ["test.db"]  # nothing was changed


async def test_a_move_that_fails_keeps_the_copy(database: str, tmp_path: Path) -> None:
    db = await connect(settings(database))
    await fill(db, SESSIONS)
    await db.transaction(lambda tx: tx.run("UPDATE runs SET id = user_message_id"))
    await db.close()
    with pytest.raises(CannotStart, match="cannot use the database"):
        await open_database(settings(database))
    assert names(tmp_path) == ["test.db", f"test.db.before-{LAST_OLD + 1:04}"]


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_ids_from_before_lead_to_their_rows(engine: str, tmp_path: Path, postgres: Server) -> None:
    session = SESSIONS[-1]
    with new_database(postgres, empty=True) as url:
        where = settings(url if engine == "postgres" else tmp_path)
        db = await connect(where)
        await fill(db, [session])
        await db.close()
        async with serving(where) as service:
            for message_id in session.message_ids:
                answer = await service.client.get(f"/api/messages/{message_id}")
                assert (answer.status_code, answer.json()["session_id"]) == (200, session.id)
            for number, run_id in enumerate(session.run_ids, 1):
                assert (await service.run(run_id))["number"] == number
            page = (await service.client.get(f"/api/sessions/{session.id}/messages")).json()
            assert [each["id"] for each in page["data"]] == session.message_ids
            db = service.runtime.db
            with pytest.raises(NotFound):
                await db.snapshot(lambda tx: store_messages.get_message(tx, "stranger", session.message_ids[0]))
            with pytest.raises(NotFound):
                await db.snapshot(lambda tx: store_runs.get_run(tx, "stranger", session.run_ids[0]))
            assert (await service.client.delete(f"/api/sessions/{session.id}")).status_code == 204
            await until_gone(service.runtime.db)
            assert await db.snapshot(lambda tx: tx.all("SELECT * FROM former_ids")) == []


def test_every_old_table_is_moved() -> None:
    old = {"sessions", "messages", "runs", "events", "prompts of sessions", "facts", "heads of sessions"}
    assert {step.name for step in STEPS} >= old
