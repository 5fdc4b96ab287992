"""PostgreSQL only: only a primary is used, also while a failover is under way."""

import asyncio
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatkeep.db.postgres import Postgres
from chatkeep.db.postgres_url import parse_url
from chatkeep.errors import CannotStart
from tests.postgres import OPTIONS, Server, execute, fetch_rows, free_port, make, new_home, run, wait_until_ready

pytestmark = pytest.mark.anyio

INSERT = "INSERT INTO things (name) VALUES ('a')"


class Replaced:
    """A server that stops, and is there again as a replica at the same place, until it is promoted."""

    def __init__(self, home: Path, binaries: Path) -> None:
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._home, self._binaries = home, binaries
        make(home, binaries)
        self._start()

    def become_replica(self) -> None:
        """Stop, and start as a replica that has no primary."""
        self.stop()
        (self._home / "data" / "standby.signal").touch()
        self._start()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def _start(self) -> None:
        self._process = run(self._home, self._binaries, self.port, OPTIONS)
        wait_until_ready(self._process, self._binaries, self.port)


@pytest.fixture
def server(postgres: Server) -> Iterator[Replaced]:
    home = new_home()
    server = Replaced(home, postgres.binaries)
    yield server
    server.stop()
    shutil.rmtree(home)


async def test_a_write_waits_until_a_replica_is_promoted(server: Replaced) -> None:
    db = await Postgres.connect(server.url, 2)
    await db.transaction(lambda tx: tx.run("CREATE TABLE things (name TEXT)"))
    await asyncio.to_thread(server.become_replica)
    assert await fetch_rows(server.url, "SELECT pg_is_in_recovery()") == [(True,)]
    reading = asyncio.create_task(db.snapshot(lambda tx: tx.one("SELECT pg_is_in_recovery()")))
    writing = asyncio.create_task(db.transaction(lambda tx: tx.run(INSERT)))
    with pytest.raises(CannotStart, match="no primary there"):
        await Postgres.connect(server.url, 1)
    assert not reading.done()
    assert not writing.done()
    await execute(server.url, "SELECT pg_promote()")
    await writing
    assert await reading == (False,)
    assert await fetch_rows(server.url, "SELECT name FROM things") == [("a",)]
    await db.close()


async def test_the_primary_is_found_among_several_hosts(server: Replaced, postgres: Server) -> None:
    await asyncio.to_thread(server.become_replica)
    url = f"postgresql://postgres@127.0.0.1:{server.port},127.0.0.1:{postgres.port}/postgres"
    db = await Postgres.connect(url, 1)
    assert await db.snapshot(lambda tx: tx.one("SELECT pg_is_in_recovery()")) == (False,)
    await db.close()


def test_a_url_may_ask_for_a_replica() -> None:
    assert parse_url("postgresql://h/n").dsn == "postgresql://h/n?target_session_attrs=primary"
    url = "postgresql://h/n?target_session_attrs=any&pgbouncer=true"
    assert parse_url(url).dsn == "postgresql://h/n?target_session_attrs=any"
