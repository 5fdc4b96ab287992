"""PostgreSQL only: retries, and a COMMIT whose answer is lost."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from chatkeep.db import Transaction, can_be_repeated
from chatkeep.db.migrate import load_migrations, migrate
from chatkeep.db.open import connect
from chatkeep.db.postgres import Postgres
from chatkeep.errors import CannotStart, StorageFailed
from tests.databases import new_database, not_plain
from tests.postgres import Server, execute, fetch_rows
from tests.proxy import Proxy
from tests.service import settings

pytestmark = pytest.mark.anyio

END_THE_WAIT = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
"""Has the first COMMIT that waits for a replica end, as done."""
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


async def sizes(db: Postgres) -> list[int]:
    rows = await db.snapshot(lambda tx: tx.all("SELECT size FROM things ORDER BY name"))
    return [row[0] for row in rows]


async def is_there(tx: Transaction, name: str) -> bool:
    await tx.run("LOCK TABLE things IN SHARE MODE")  # waits for the transaction that has added it, or is about to
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


async def grow(tx: Transaction) -> None:
    """Make `a` larger, as no other transaction does."""
    await tx.run("UPDATE things SET size = size + 1 WHERE name = 'a'")
    tx.prove(has_grown)


async def has_grown(tx: Transaction) -> bool:
    return await tx.one("UPDATE things SET size = size WHERE name = 'a' RETURNING size") == (1,)


@asynccontextmanager
async def without_its_replica(postgres: Server, database: str, url: str) -> AsyncGenerator[Postgres]:
    """Have every COMMIT of `database` wait for a synchronous replica that is not there. Connect to it by `url`."""
    touch = "UPDATE things SET size = size"
    await execute(postgres.url(), f"ALTER DATABASE {urlsplit(database).path[1:]} SET synchronous_commit = on")
    await execute(postgres.url(), "ALTER SYSTEM SET synchronous_standby_names = 'none'", "SELECT pg_reload_conf()")
    committing = asyncio.create_task(execute(database, touch))
    while not await fetch_rows(postgres.url(), END_THE_WAIT):  # the server takes its time to reload
        if committing.done():
            committing = asyncio.create_task(execute(database, touch))
        await asyncio.sleep(0.01)
    await committing
    db = await Postgres.connect(url, 3, retry_seconds=2.0, command_seconds=0.5)
    try:
        yield db
    finally:
        await execute(postgres.url(), "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
        await db.close()


@not_plain
async def test_a_commit_without_its_replica_is_not_done(postgres: Server, database: str, db: Postgres) -> None:
    await db.transaction(lambda tx: add(tx, "a"))
    async with without_its_replica(postgres, database, database) as impatient:
        with pytest.raises(StorageFailed, match="not known"):
            await impatient.transaction(grow)
        assert await sizes(db) == [0]
    await db.transaction(grow)  # waits for the one that was left, which has its replica now
    assert await sizes(db) == [2]


@not_plain
async def test_a_proof_without_its_replica_proves_nothing(postgres: Server, database: str, db: Postgres) -> None:
    """A server that has restarted shows commits that its replica has not got yet."""
    await db.transaction(lambda tx: add(tx, "a"))
    async with Proxy(database) as proxy, without_its_replica(postgres, database, proxy.url) as impatient:

        async def write(tx: Transaction) -> None:
            await grow(tx)
            proxy.cut_at(b"COMMIT", arrives=True)

        writing = asyncio.create_task(impatient.transaction(write))
        while not await fetch_rows(postgres.url(), END_THE_WAIT):
            await asyncio.sleep(0.01)
        with pytest.raises(StorageFailed, match="not known"):
            await writing
        assert await sizes(db) == [1]


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
