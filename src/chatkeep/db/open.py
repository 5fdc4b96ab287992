"""Opens the database that CHATKEEP_DATABASE_URL names. The one file that asks which engine that is."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

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


class ProcessIdentity(NamedTuple):
    """This process among those on the same database.

    `name` is unique for as long as the database exists. `is_alone`: no other process uses the database, and none can
    join until this one calls `admit_others`.
    """

    name: str
    is_alone: bool
    admit_others: Callable[[], Awaitable[None]]


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
        yield ProcessIdentity(ids.new(), is_alone=False, admit_others=_do_nothing)
        return
    async with PostgresNotifier(dsn, notifier) as remote:
        yield ProcessIdentity(f"{remote.slot} {ids.new()}".lstrip(), is_alone=False, admit_others=_do_nothing)


async def _do_nothing() -> None:
    """Return at once: other processes are always admitted."""
