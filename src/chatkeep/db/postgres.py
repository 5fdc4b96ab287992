"""PostgreSQL: a pool of connections; every transaction is all or nothing, and its outcome is known.

1. What fails without a trace (a lost connection, a deadlock, a server that restarts) is tried again for a while.
2. A COMMIT whose answer got lost is looked up by its transaction's id: it is never done twice, nor guessed.
3. The store sees what it sees on SQLite: ids and times are text (`chatkeep.clock`), JSON is text.
4. No state outlives a transaction, so a proxy may pool transactions (`?pgbouncer=true` in the URL).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (asyncpg has no types)

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, Self, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from chatkeep import clock
from chatkeep.db import Param, Row, Transaction
from chatkeep.errors import CannotStart, StorageFailed

T = TypeVar("T")
Work = Callable[[Transaction], Awaitable[T]]

RETRY_SECONDS = 10.0
"""Seconds for which a transaction is tried again before it is given up."""
POOL_WAIT_SECONDS = 30.0
"""Seconds for which it waits for a connection that others use: a full pool is a queue, no failure yet."""
COMMAND_SECONDS = 10.0
"""The longest that one statement may take."""
RETRY_DELAYS_SECONDS = (0.0, 0.05, 0.1, 0.25, 0.5)
"""Seconds before a first, second, … repetition; the last one again and again."""
MIGRATION_LOCK = 0x63686174
"""The number of the advisory lock that is held while the schema is changed ("chat")."""

SERVER_SETTINGS = {
    "application_name": "chatkeep",
    "jit": "off",  # small statements only: compiling one costs more than running it
    "idle_in_transaction_session_timeout": "5s",  # a process that is stopped in a transaction lets its rows go
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}

CONNECTION_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # it was ended by the server between two statements, and asyncpg is at a loss
    OSError,  # and with it TimeoutError
)
"""There is no connection, or no longer."""
_RETRYABLE = (*CONNECTION_ERRORS, asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""What leaves nothing behind when it comes before the COMMIT, and may well not come again."""
_REFUSALS = (asyncpg.PostgresError, asyncpg.DataError)

_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001  # as PostgreSQL counts: microseconds since then, in UTC
_MICROSECOND = timedelta(microseconds=1)

_log = logging.getLogger("chatkeep")


class PostgresTransaction:
    """One asyncpg connection as a `Transaction`, for one transaction."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._now = ""
        self.xid = ""

    async def all(self, sql: LiteralString, *params: Param) -> list[Row]:
        """Every row."""
        return [tuple(row) for row in await self._raw.fetch(sql, *params)]

    async def one(self, sql: LiteralString, *params: Param) -> Row | None:
        """The first row, or None."""
        row = await self._raw.fetchrow(sql, *params)
        return None if row is None else tuple(row)

    async def run(self, sql: LiteralString, *params: Param) -> None:
        """Run a statement for its effect."""
        await self._raw.execute(sql, *params)

    async def many(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> None:
        """Run a statement once per row of values, all sent at once."""
        await self._raw.executemany(sql, rows)

    async def returning(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> list[Row]:
        """Run a statement once per row of values, all sent at once; what they return."""
        return [tuple(row) for row in await self._raw.fetchmany(sql, rows)]

    async def now(self) -> str:
        """The server's time; the same within a transaction."""
        now = self._now = self._now or await self._raw.fetchval("SELECT clock_timestamp()")
        return now

    async def lock_schema(self) -> None:
        """Wait until nobody else changes the schema, and keep others from it until the transaction ends."""
        await self._raw.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)

    async def read_identity(self) -> None:
        """Learn the transaction's id, by which its outcome can be looked up, and the time."""
        self.xid, self._now = await self._raw.fetchrow("SELECT CAST(pg_current_xact_id() AS TEXT), clock_timestamp()")


class Postgres:
    """A PostgreSQL database as a `Database`."""

    engine = "postgres"

    def __init__(self, pool: Any, name: str) -> None:
        self.name = name
        self._pool = pool
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    @classmethod
    async def connect(cls, url: str, size: int) -> Self:
        """The database at `url`, with at most `size` connections.

        Raises:
            CannotStart: the URL is wrong, or there is no such database to be reached.
        """
        dsn, is_proxied = parse_url(url)
        name = _without_password(dsn)
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size,
                init=_set_codecs,
                reset=_skip_reset,
                timeout=RETRY_SECONDS,
                command_timeout=COMMAND_SECONDS,
                statement_cache_size=0 if is_proxied else 200,
                server_settings={} if is_proxied else SERVER_SETTINGS,
            )
        except (*CONNECTION_ERRORS, *_REFUSALS, ValueError) as error:
            raise CannotStart(f"cannot open the database {name}: {error_line(error)}") from error
        return cls(pool, name)

    async def transaction(self, fn: Work[T]) -> T:
        """See `Database.transaction`."""
        return await self._shielded(self._retry(fn, self._write))

    async def snapshot(self, fn: Work[T]) -> T:
        """See `Database.snapshot`."""
        return await self._shielded(self._retry(fn, self._read))

    async def close(self) -> None:
        """Finish what is under way, then close every connection."""
        self._closed = True
        if self._running:
            await asyncio.wait(tuple(self._running))
        try:
            await asyncio.wait_for(self._pool.close(), RETRY_SECONDS)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            _log.warning("the connections to %s could not be closed: %s", self.name, error_line(error))
            self._pool.terminate()

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Its outcome. A caller that is cancelled neither undoes it nor costs a connection."""
        if self._closed:
            work.close()
            raise StorageFailed("the database is closed")
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._on_done)
        return await asyncio.shield(task)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have left

    async def _retry(self, fn: Work[T], attempt: Callable[[Work[T]], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        until = loop.time() + RETRY_SECONDS
        tries = 0
        while True:
            try:
                return await attempt(fn)
            except asyncpg.DataError as error:  # an InterfaceError by descent, and yet ours
                raise StorageFailed(error_line(error)) from error
            except _RETRYABLE as error:
                pause = RETRY_DELAYS_SECONDS[min(tries, len(RETRY_DELAYS_SECONDS) - 1)]
                if loop.time() + pause >= until:
                    raise StorageFailed(error_line(error)) from error
            except _REFUSALS as error:
                raise StorageFailed(error_line(error)) from error
            tries += 1
            await asyncio.sleep(pause)

    async def _write(self, fn: Work[T]) -> T:
        async with self._pool.acquire(timeout=POOL_WAIT_SECONDS) as raw:
            connection = PostgresTransaction(raw)
            try:
                await raw.execute("BEGIN")
                await connection.read_identity()
                result = await fn(connection)
            except BaseException:
                await _roll_back(raw)
                raise
            try:
                done = await raw.execute("COMMIT")
            except CONNECTION_ERRORS as error:
                lost = error
            else:
                if done != "COMMIT":
                    raise StorageFailed("the transaction had failed before its end")
                return result
        if not await self._was_committed(connection.xid):
            raise lost
        return result

    async def _was_committed(self, xid: str) -> bool:
        """Whether the transaction took place; waits for its end.

        Raises:
            StorageFailed: there is nobody to tell. It may have.
        """
        until = asyncio.get_running_loop().time() + RETRY_SECONDS
        while asyncio.get_running_loop().time() < until:
            try:
                async with self._pool.acquire(timeout=POOL_WAIT_SECONDS) as raw:
                    status = await raw.fetchval("SELECT pg_xact_status(CAST(CAST($1 AS TEXT) AS xid8))", xid)
            except CONNECTION_ERRORS as error:
                _log.warning("transaction %s cannot be looked up yet: %s", xid, error_line(error))
                status = None
            if status in ("committed", "aborted"):
                return status == "committed"
            await asyncio.sleep(RETRY_DELAYS_SECONDS[-1])
        raise StorageFailed("the connection was lost in a COMMIT; whether it took place is not known")

    async def _read(self, fn: Work[T]) -> T:
        async with self._pool.acquire(timeout=POOL_WAIT_SECONDS) as raw:
            try:
                await raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                return await fn(PostgresTransaction(raw))
            finally:
                await _roll_back(raw)


async def _roll_back(raw: Any) -> None:
    """End the transaction; or the connection, when it cannot even do that."""
    try:
        await raw.execute("ROLLBACK")
    except (*CONNECTION_ERRORS, *_REFUSALS):
        raw.terminate()


async def _set_codecs(raw: Any) -> None:
    """Let ids be text, and times be text as `chatkeep.clock` writes it; in a transaction, for the proxy's sake."""
    async with raw.transaction():
        await raw.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str, format="text")
        await raw.set_type_codec(
            "timestamptz", schema="pg_catalog", encoder=_to_microseconds, decoder=_from_microseconds, format="tuple"
        )


async def _skip_reset(raw: Any) -> None:
    """What a connection has when it is let go is what the next one wants; asyncpg would ask for a reset."""
    del raw


def _to_microseconds(text: str) -> tuple[int]:
    return ((datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) - _EPOCH) // _MICROSECOND,)


def _from_microseconds(value: tuple[int]) -> str:
    return (_EPOCH + timedelta(microseconds=value[0])).strftime(clock.FORMAT)


def parse_url(url: str) -> tuple[str, bool]:
    """The URL without what is ours in it, and whether a proxy that pools transactions stands between."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    is_proxied = any(name == "pgbouncer" and value == "true" for name, value in query)
    kept = urlencode([(name, value) for name, value in query if name != "pgbouncer"])
    return parts._replace(query=kept).geturl(), is_proxied


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}@{place}" if user else place, query="").geturl()


def error_line(error: BaseException) -> str:
    """What went wrong, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
