"""The index of words gets what was stored without it, in small steps, also after kills; and loses what is deleted."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import LiteralString

import pytest

from chatkeep.cli.copy import copy
from chatkeep.db import Database, Transaction
from chatkeep.db.migrate import load_migrations, migrate
from chatkeep.db.open import connect
from chatkeep.runs.loading import open_database
from chatkeep.store import search_backlog, temporary
from chatkeep.toolbox.search import SearchScope, search
from tests.databases import new_database, not_plain
from tests.deletions import delete_now
from tests.filled_database import add_session
from tests.old_database import add_session_of_0001, migrate_to, old_session
from tests.postgres import Server
from tests.service import settings
from tests.values import uid

pytestmark = pytest.mark.anyio

LARGE, OTHER = uid("large"), uid("other")
MESSAGES = 260
INDEXER = """
import asyncio, sys
from chatkeep.runs.loading import open_database
from chatkeep.store import search_backlog
from tests.service import settings

async def main():
    db = await open_database(settings(sys.argv[1]))
    while session_ids := await db.snapshot(search_backlog.list_backlog):
        for each in session_ids:
            while await db.transaction(lambda tx: search_backlog.index_page(tx, each)):
                print("a page", flush=True)
            await db.transaction(lambda tx: tx.settle_words())
    await db.close()

asyncio.run(main())
"""
"""A process that indexes what the backlog has, page by page."""


@pytest.fixture
async def db(database: str) -> AsyncGenerator[Database]:
    """A database with two sessions without words; the larger one is in the backlog."""
    db = await open_database(settings(database))
    for session_id, turns in ((LARGE, MESSAGES // 2), (OTHER, 3)):
        await db.transaction(partial(add_session, session_id=session_id, turns=turns))
    await db.transaction(lambda tx: search_backlog.add_session(tx, LARGE))
    yield db
    await db.close()


async def count_found(db: Database, words: str, owner: str = "local", session_id: str | None = None) -> int:
    found = await search(db, owner, words, 1_000, SearchScope(session_id=session_id))
    return len(found.results)


async def index_all(db: Database) -> None:
    while session_ids := await db.snapshot(search_backlog.list_backlog):
        for each in session_ids:
            while await db.transaction(partial(_index_page, each)):
                pass


async def _index_page(session_id: str, tx: Transaction) -> bool:
    return await search_backlog.index_page(tx, session_id)


async def test_each_step_is_small_and_is_found_at_once(db: Database) -> None:
    counts = [0]
    while await db.transaction(partial(_index_page, LARGE)):
        counts.append(await count_found(db, "sagas author"))
        assert counts[-1] == counts[-2] + search_backlog.PAGE_MESSAGES
    assert await count_found(db, "sagas author") == MESSAGES
    assert await count_found(db, "sagas", session_id=OTHER) == 0
    assert await db.snapshot(search_backlog.list_backlog) == []


@not_plain
async def test_kills_and_several_processes_lose_nothing(database: str, db: Database) -> None:
    for pages in (0, 1, 2):
        indexers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", INDEXER, database, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            for _ in range(2)
        ]
        assert indexers[0].stdout is not None
        for _ in range(pages):
            await indexers[0].stdout.readline()
        for each in indexers:
            with suppress(ProcessLookupError):  # it may have done all
                each.kill()
            await each.communicate()
    await asyncio.gather(*(index_all(db) for _ in range(3)))
    assert await count_found(db, "sagas author") == MESSAGES


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_what_an_old_version_stored_is_found(engine: str, tmp_path: Path, postgres: Server) -> None:
    old = old_session("first", turns=3)
    with new_database(postgres, empty=True) as url:
        db = await connect(settings(url if engine == "postgres" else tmp_path))
        await migrate_to(db, 1)
        await db.transaction(lambda tx: add_session_of_0001(tx, old))
        await migrate(db, load_migrations(db.engine))
        assert await db.snapshot(search_backlog.list_backlog) == [old.id]
        await index_all(db)
        assert await count_found(db, "from:user after:2000") == 3
        await db.close()


async def test_a_message_that_changes_meanwhile_keeps_its_new_words(db: Database) -> None:
    await index_all(db)
    await db.transaction(lambda tx: search_backlog.add_session(tx, LARGE))
    await db.transaction(
        lambda tx: tx.run("""UPDATE messages SET parts = '[{"type":"text","text":"Erased."}]' WHERE seq = 1""")
    )
    await index_all(db)
    assert await count_found(db, "sagas", session_id=LARGE) == MESSAGES - 1
    assert await count_found(db, "erased", session_id=LARGE) == 1


async def test_a_temporary_session_is_found_once_it_is_kept(db: Database) -> None:
    await db.transaction(lambda tx: tx.run("UPDATE sessions SET temporary = TRUE"))
    await index_all(db)
    assert await count_found(db, "sagas") == 0
    await db.transaction(lambda tx: temporary.keep_temporary(tx, "local"))
    await index_all(db)
    assert await count_found(db, "sagas") == MESSAGES + 6


async def test_another_owner_finds_what_is_given_to_them(db: Database) -> None:
    await index_all(db)

    async def give(tx: Transaction) -> None:
        await tx.run("UPDATE sessions SET owner = 'other'")
        await search_backlog.add_all(tx, "other")

    await db.transaction(give)
    assert await count_found(db, "sagas") == 0
    await index_all(db)
    assert (await count_found(db, "sagas"), await count_found(db, "sagas", "other")) == (0, MESSAGES + 6)


COUNTS: dict[str, tuple[LiteralString, ...]] = {
    "sqlite": (
        "SELECT COUNT(*) FROM message_words",
        "SELECT COUNT(*) FROM title_words",
        "SELECT COUNT(*) FROM pending_words",
        "SELECT COUNT(*) FROM session_titles",
    ),
    "postgres": ("SELECT COUNT(words) FROM messages", "SELECT COUNT(*) FROM session_titles"),
}


async def test_words_go_with_their_session(db: Database) -> None:
    await index_all(db)
    while await db.transaction(lambda tx: tx.settle_words()):
        pass
    await db.transaction(lambda tx: delete_now(tx, "local", LARGE))
    for sql in COUNTS[db.engine]:
        assert await db.snapshot(lambda tx, sql=sql: tx.one(sql)) == (0,), sql


async def test_a_copy_is_indexed_anew(db: Database, database: str, postgres: Server) -> None:
    await index_all(db)
    with new_database(postgres) as url:
        await copy(settings(database), settings(url), resume=False)
        target = await open_database(settings(url))
        assert await count_found(target, "sagas") == 0
        await index_all(target)
        assert await count_found(target, "sagas") == MESSAGES + 6
        await target.close()
