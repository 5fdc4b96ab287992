"""Which engine? The one place that asks, and everything that follows from the answer."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from chatkeep import ids
from chatkeep.db import Database
from chatkeep.db.notifier import Notifier
from chatkeep.db.pg_notify import PostgresNotifier
from chatkeep.db.postgres import Postgres, parse_url
from chatkeep.db.process_lock import ProcessLock
from chatkeep.db.sqlite import Sqlite
from chatkeep.settings import Settings


class ProcessIdentity(NamedTuple):
    """What this process is called among those on one database, and whether no other one lives.

    One that is alone stays so until it calls `confirm`.
    """

    name: str
    alone: bool
    confirm: Callable[[], Awaitable[None]]


async def connect(settings: Settings) -> Database:
    """The database that CHATKEEP_DATABASE_URL names, as it is.

    Raises:
        CannotStart: it cannot be opened, or the URL is wrong.
    """
    path = settings.database_path()
    if path is None:
        return await Postgres.connect(settings.database_url, settings.database_pool)
    return Sqlite(path)


@asynccontextmanager
async def join_processes(settings: Settings, notifier: Notifier) -> AsyncGenerator[ProcessIdentity]:
    """Be one of the processes on the database.

    SQLite: a lock says who is alone; what others do is seen by looking. PostgreSQL: a connection connects `notifier`
    with those of the others and holds a lock on the process's place, which begins its name; not so behind a proxy
    that pools transactions, where no connection is anybody's own.

    Raises:
        CannotStart: the database cannot be reached.
    """
    path = settings.database_path()
    if path is not None:
        with ProcessLock(path) as lock:
            yield ProcessIdentity(ids.new(), lock.try_exclusive(), lambda: asyncio.to_thread(lock.share))
        return
    dsn, is_proxied = parse_url(settings.database_url)
    if is_proxied:
        yield ProcessIdentity(ids.new(), alone=False, confirm=_nothing)
        return
    async with PostgresNotifier(dsn, notifier) as relay:
        yield ProcessIdentity(f"{relay.place} {ids.new()}".lstrip(), alone=False, confirm=_nothing)


async def _nothing() -> None:
    """There is nobody to be let in."""
