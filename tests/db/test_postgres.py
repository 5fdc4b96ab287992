"""PostgreSQL only: retries, and a COMMIT whose answer is lost."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from urllib.parse import urlsplit

import pytest

from chatkeep.db import Transaction, can_be_repeated
from chatkeep.db.migrate import load_migrations, migrate
from chatkeep.db.open import connect
from chatkeep.db.postgres import Postgres
from chatkeep.errors import CannotStart, StorageFailed
from tests.databases import new_database, not_plain
from tests.postgres import Server, execute
from tests.proxy import Proxy
from tests.service import settings

pytestmark = pytest.mark.anyio

CREATE_THINGS = "CREATE TABLE things (name TEXT PRIMARY KEY, size INTEGER NOT NULL)"


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    with new_database(postgres) as url:
        yield url


@pytest.fixture
async def db(database: str) -> AsyncGenerator[Postgres]:
    db = await Postgres.connect(database, 3)
    await db.transaction(lambda tx: tx.run(CREATE_THINGS))
    yield db
    await db.close()


async def names(db: Postgres) -> list[str]:
    rows = await db.snapshot(lambda tx: tx.all("SELECT name FROM things ORDER BY name"))
    return [row[0] for row in rows]


async def add(tx: Transaction, name: str) -> None:
    """Add a thing whose name no other transaction adds."""
    await tx.run("INSERT INTO things (name, size) VALUES ($1, 0)", name)
    tx.prove(lambda again: is_there(again, name))


async def is_there(tx: Transaction, name: str) -> bool:
    return await tx.one("SELECT 1 FROM things WHERE name = $1", name) is not None


async def end_my_session(tx: Transaction) -> None:
    """End this connection at the server, as an administrator or a restart does."""
    await tx.run("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_connection_lost_before_the_commit_is_retried(db: Postgres) -> None:
    tries: list[str] = []

    async def write(tx: Transaction) -> None:
        tries.append("")
        await add(tx, "once")
        if len(tries) < 3:
            await end_my_session(tx)

    await db.transaction(write)
    assert (await names(db), len(tries)) == (["once"], 3)


async def test_a_snapshot_is_retried(db: Postgres) -> None:
    tries: list[str] = []

    async def read(tx: Transaction) -> int:
        tries.append("")
        if len(tries) == 1:
            await end_my_session(tx)
        return len(await tx.all("SELECT name FROM things"))

    assert await db.snapshot(read) == 0


async def test_a_snapshot_does_not_change_while_it_is_read(db: Postgres) -> None:
    reading, written = asyncio.Event(), asyncio.Event()

    async def count_twice(tx: Transaction) -> tuple[int, int]:
        first = await tx.all("SELECT name FROM things")
        reading.set()
        await written.wait()
        return len(first), len(await tx.all("SELECT name FROM things"))

    counting = asyncio.ensure_future(db.snapshot(count_twice))
    await reading.wait()
    await db.transaction(lambda tx: add(tx, "new"))
    written.set()
    assert await counting == (0, 0)


async def test_two_deadlocked_transactions_are_both_committed(db: Postgres) -> None:
    await db.transaction(lambda tx: add(tx, "a"))
    await db.transaction(lambda tx: add(tx, "b"))
    both = asyncio.Barrier(2)
    met: set[str] = set()

    async def write(tx: Transaction, first: str, second: str) -> None:
        await tx.run("UPDATE things SET size = size + 1 WHERE name = $1", first)
        if first not in met:
            met.add(first)
            await both.wait()
        await tx.run("UPDATE things SET size = size + 1 WHERE name = $1", second)

    await asyncio.gather(db.transaction(lambda tx: write(tx, "a", "b")), db.transaction(lambda tx: write(tx, "b", "a")))
    rows = await db.snapshot(lambda tx: tx.all("SELECT size FROM things"))
    assert rows == [(2,), (2,)]


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_commit_with_a_lost_answer_is_never_repeated(database: str, arrives: bool) -> None:
    async with Proxy(database) as proxy:
        db = await Postgres.connect(proxy.url, 3)
        await db.transaction(lambda tx: tx.run("CREATE TABLE things (name TEXT, size INTEGER NOT NULL)"))
        tries: list[str] = []

        async def write(tx: Transaction) -> str:
            tries.append("")
            await add(tx, f"try {len(tries)}")
            if len(tries) == 1:
                proxy.cut_at(b"COMMIT", arrives=arrives)
            return f"try {len(tries)}"

        committed = await db.transaction(write)
        assert await names(db) == [committed]
        assert committed == ("try 1" if arrives else "try 2")
        await db.close()


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_lost_commit_without_a_proof_is_reported(database: str, arrives: bool) -> None:
    async with Proxy(database) as proxy:
        db = await Postgres.connect(proxy.url, 3)
        await db.transaction(lambda tx: tx.run(CREATE_THINGS))

        async def write(tx: Transaction) -> None:
            await tx.run("INSERT INTO things (name, size) VALUES ('a', 0)")
            proxy.cut_at(b"COMMIT", arrives=arrives)

        with pytest.raises(StorageFailed, match="not known"):
            await db.transaction(write)
        assert await names(db) == (["a"] if arrives else [])
        await db.close()


async def test_a_commit_with_an_unknown_outcome_is_reported(database: str) -> None:
    async with Proxy(database) as proxy:
        db = await Postgres.connect(proxy.url, 3, retry_seconds=0.5)

        async def write(tx: Transaction) -> None:
            tx.prove(can_be_repeated)
            proxy.cut_at(b"COMMIT", arrives=True)
            proxy.refusing = True

        with pytest.raises(StorageFailed, match="not known"):
            await db.transaction(write)
        await db.close()


async def test_the_wait_for_a_connection_has_a_limit(database: str) -> None:
    db = await Postgres.connect(database, 3, retry_seconds=0.2, pool_wait_seconds=0.2)
    await db.transaction(lambda tx: tx.run(CREATE_THINGS))
    hold = asyncio.Event()

    async def wait(tx: Transaction) -> None:
        await hold.wait()

    holding = [asyncio.ensure_future(db.transaction(wait)) for _ in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(StorageFailed):
        await db.transaction(lambda tx: add(tx, "late"))
    hold.set()
    await asyncio.gather(*holding)
    await db.transaction(lambda tx: add(tx, "in time"))
    await db.close()


async def test_two_processes_migrate_once(postgres: Server) -> None:
    with new_database(postgres, empty=True) as url:
        several = [await connect(settings(url)) for _ in range(4)]
        applied = await asyncio.gather(*(migrate(db, load_migrations("postgres")) for db in several))
        assert sorted(map(len, applied)) == [0, 0, 0, len(load_migrations("postgres"))]
        for db in several:
            await db.close()


@pytest.mark.parametrize(
    "wrong", ["postgresql://postgres@127.0.0.1:1/x", "postgresql://user:secret@{place}/no_such_database"]
)
async def test_an_unreachable_database_is_one_line_without_password(postgres: Server, wrong: str) -> None:
    with pytest.raises(CannotStart, match="cannot open the database postgresql://") as refused:
        await connect(settings(wrong.replace("{place}", f"127.0.0.1:{postgres.port}")))
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_statement_that_takes_too_long_fails(database: str, postgres: Server) -> None:
    name = urlsplit(database).path[1:]
    await execute(postgres.url(), f"ALTER DATABASE {name} SET statement_timeout = '50ms'")
    db = await Postgres.connect(database, 1)
    with pytest.raises(StorageFailed, match="statement timeout"):
        await db.transaction(lambda tx: tx.run("SELECT pg_sleep(5)"))
    await db.close()


async def test_a_migration_has_no_limit_of_time(database: str) -> None:
    db = await Postgres.connect(database, 1, retry_seconds=0.1, command_seconds=0.1)

    async def migration(tx: Transaction) -> None:
        await tx.lock_schema()
        await tx.run("SELECT pg_sleep(0.3)")
        await tx.all("SELECT pg_sleep(0.3)")

    with pytest.raises(StorageFailed):
        await db.transaction(lambda tx: tx.run("SELECT pg_sleep(0.3)"))
    await db.transaction(migration)
    with pytest.raises(StorageFailed):
        await db.transaction(lambda tx: tx.run("SELECT pg_sleep(0.3)"))
    await db.close()


@not_plain
async def test_a_lock_of_another_program_is_not_awaited_for_long(db: Postgres) -> None:
    """Unless it is a migration that waits: for another process that migrates."""
    is_locked, is_refused = asyncio.Event(), asyncio.Event()

    async def hold(tx: Transaction) -> None:
        await tx.run("LOCK TABLE things, schema_migrations IN EXCLUSIVE MODE")
        is_locked.set()
        while not is_refused.is_set():  # a connection that did nothing would be ended, and the lock with it
            await tx.run("SELECT pg_sleep(0.1)")

    holding = asyncio.create_task(db.transaction(hold))
    await is_locked.wait()
    migrating = asyncio.create_task(db.transaction(lambda tx: tx.lock_schema()))
    with pytest.raises(StorageFailed, match="lock timeout"):
        await db.transaction(lambda tx: add(tx, "refused"))
    assert not migrating.done()
    is_refused.set()
    await asyncio.gather(holding, migrating)
    assert await names(db) == []
