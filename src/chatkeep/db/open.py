"""Opens the database that CHATKEEP_DATABASE_URL names. The one file that asks which engine that is."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chatkeep import ids
from chatkeep.db import Database
from chatkeep.db.notifier import Notifier
from chatkeep.db.pg_notify import PostgresNotifier
from chatkeep.db.postgres import Postgres
from chatkeep.db.postgres_url import parse_url
from chatkeep.db.process_lock import ProcessLock
from chatkeep.db.sqlite import Sqlite
from chatkeep.db.sqlite_form import check_sqlite_file
from chatkeep.settings import Settings


async def _do_nothing() -> None:
    """Return at once: other processes are always admitted."""


@dataclass
class ProcessIdentity:
    """This process among those on the same database.

    `name` is unique for as long as the database exists. It changes when the process has lost its slot to another one;
    `former_names` are those that it had before. `is_alone`: no other process uses the database, and none can join until
    this one calls `admit_others`.
    """

    name: str
    is_alone: bool = False
    admit_others: Callable[[], Awaitable[None]] = _do_nothing
    former_names: list[str] = field(default_factory=list[str])

    def rename(self, name: str) -> None:
        """Take another name."""
        self.former_names.append(self.name)
        self.name = name


async def connect(settings: Settings) -> Database:
    """Open the database that CHATKEEP_DATABASE_URL names, without migrating it.

    Raises:
        CannotStart: it cannot be opened, is newer or another program's, or the URL is wrong.
    """
    path = settings.database_path()
    if path is None:
        return await Postgres.connect(settings.database_url, settings.database_pool)
    check_sqlite_file(path)
    return Sqlite(path)


@asynccontextmanager
async def join_processes(settings: Settings, notifier: Notifier) -> AsyncGenerator[ProcessIdentity]:
    """Register this process on the database until the block ends, and connect `notifier` with the other processes.

    1. SQLite: a file lock shows if the process is alone. Notifiers are not connected: readers look again by the clock.
    2. PostgreSQL: a connection of its own connects the notifiers, and holds a lock on the process's slot. The name
       begins with the slot (`pg_notify.py`).
    3. PostgreSQL behind a proxy that pools transactions: neither, since no process has a connection to itself.

    Raises:
        CannotStart: the database cannot be reached, or the URL is wrong.
    """
    path = settings.database_path()
    if path is not None:
        with ProcessLock(path) as lock:
            yield ProcessIdentity(ids.new(), lock.try_exclusive(), lambda: asyncio.to_thread(lock.share))
        return
    dsn, _, is_proxied = parse_url(settings.database_url)
    if is_proxied:
        yield ProcessIdentity(ids.new())
        return
    async with PostgresNotifier(dsn, notifier) as remote:
        process = ProcessIdentity(_name_in(remote.slot))
        remote.on_new_slot = lambda slot: process.rename(_name_in(slot))
        yield process


def _name_in(slot: str) -> str:
    return f"{slot} {ids.new()}".lstrip()
