"""PostgreSQL: a pool of connections. Every transaction is all or nothing, and the caller learns which.

A connection can break at any time. Before the COMMIT that is harmless: the server rolls back, and the transaction runs
again. At the COMMIT it is not. Its answer is lost, and the server may have committed or not. To run it again might
store it twice; to give up might deny what is stored. So the outcome is read from the data: a transaction says by
`Transaction.prove` what it has written that no other would write, an event of a log for example.

    BEGIN
    UPDATE runs …; INSERT INTO run_events …
    COMMIT                            -- the connection breaks
                                      BEGIN                           on another connection
                                      UPDATE sessions …               waits while the first one is still committing
                                      SELECT … FROM run_events …      is the event there?
                                      -> yes   return the result
                                      -> no    run the transaction again

The id of the transaction would do on one server (`pg_xact_status`), but misleads on several: after a failover the new
server does not know it, and on Citus the server with the rows may have committed though the one asked has not.

1. A failure that leaves nothing behind is tried again, for 10 seconds or as long as the caller has patience: a lost
   connection, a deadlock, a server that restarts. So a transaction's function may run several times, but is committed
   once.
2. If the outcome cannot be found out, the caller gets StorageFailed, which says so: no connection could be made, or the
   transaction has named no proof. It may have been committed. The fence compares positions because of this
   (`store/leases.py`).
3. A COMMIT that takes too long is left, never cancelled. It may wait for a synchronous replica; PostgreSQL ends a
   cancelled wait with success, though a failover would lose the transaction. For the same reason a proof counts only
   when its own COMMIT, which comes later in the replica's log, has been answered.
4. No state outlives a transaction. So a proxy may pool transactions (`?pgbouncer=true` in the URL).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (asyncpg has no types)

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Self, TypeVar

import asyncpg

from chatkeep.db import FailedWrite, Transaction
from chatkeep.db.postgres_transaction import PostgresTransaction, set_codecs
from chatkeep.db.postgres_url import parse_url
from chatkeep.errors import CannotStart, StatementFailed, StorageFailed, ValueRefused

T = TypeVar("T")
Work = Callable[[Transaction], Awaitable[T]]

RETRY_SECONDS = 10.0
"""Seconds for which a transaction is tried again, and a lost COMMIT's outcome read; also the limit for connecting."""
POOL_WAIT_SECONDS = 30.0
"""Seconds that a transaction waits for a connection while all are in use: a full pool is a queue, not yet a failure."""
COMMAND_SECONDS = 10.0
"""Seconds that one statement may take, except in a migration."""
RETRY_DELAYS_SECONDS = (0.0, 0.05, 0.1, 0.25, 0.5)
"""Seconds before the first, second, … repetition of a transaction. The last one repeats."""

SERVER_SETTINGS = {
    "application_name": "chatkeep",
    "jit": "off",  # all statements are small: compiling one takes longer than running it
    "idle_in_transaction_session_timeout": "5s",  # a process that stands still in a transaction loses its locks
    "lock_timeout": "7s",  # longer than that: then the lock is another program's, and StorageFailed says so
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}

_UNLIMITED_SECONDS = 86_400.0
"""Seconds that stand for no limit where asyncpg wants one."""
_VALUE_ERRORS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
CONNECTION_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg raises it when the server has ended the connection between two statements
    OSError,  # and with it TimeoutError
)
"""Errors of a connection that cannot be made, or is lost."""
_RETRYABLE = (*CONNECTION_ERRORS, asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""Errors that leave nothing behind if they come before the COMMIT, and may not come again."""
_REFUSALS = (asyncpg.PostgresError, asyncpg.DataError)
"""Errors of a transaction that the server, or asyncpg, refuses."""

_UNKNOWN = "the connection was lost in a COMMIT; whether it took place is not known"
_log = logging.getLogger("chatkeep")


class Postgres:
    """A PostgreSQL database as a `Database`."""

    engine = "postgres"

    def __init__(
        self, pool: Any, name: str, retry_seconds: float, pool_wait_seconds: float, command_seconds: float
    ) -> None:
        self.name = name
        self.last_failure: FailedWrite | None = None
        self._pool = pool
        self._retry_seconds = retry_seconds
        self._pool_wait_seconds = pool_wait_seconds
        self._command_seconds = command_seconds
        self._running: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    @classmethod
    async def connect(
        cls,
        url: str,
        size: int,
        *,
        retry_seconds: float = RETRY_SECONDS,
        pool_wait_seconds: float = POOL_WAIT_SECONDS,
        command_seconds: float = COMMAND_SECONDS,
    ) -> Self:
        """Open the database at `url`, with at most `size` connections.

        Raises:
            CannotStart: the URL is wrong, or the database cannot be reached.
        """
        dsn, name, is_proxied = parse_url(url)
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=0,  # else the pool logs a traceback each second while it cannot restore its least size
                max_size=size,
                init=set_codecs,
                reset=_skip_reset,
                timeout=RETRY_SECONDS,
                command_timeout=command_seconds,
                statement_cache_size=0 if is_proxied else 200,
                server_settings={} if is_proxied else SERVER_SETTINGS,
            )
            async with pool.acquire():
                pass  # it can be reached
        except (*CONNECTION_ERRORS, *_REFUSALS, ValueError) as error:
            raise CannotStart(f"cannot open the database {name}: {error_line(error)}") from error
        return cls(pool, name, retry_seconds, pool_wait_seconds, command_seconds)

    async def transaction(self, fn: Work[T], *, patience_seconds: float = 0.0) -> T:
        """See `Database.transaction`."""
        patience = max(patience_seconds, self._retry_seconds)
        try:
            return await self._shield(self._retry(fn, partial(self._write, patience=patience), patience))
        except StorageFailed as failure:
            if not isinstance(failure, StatementFailed):
                self.last_failure = FailedWrite(str(failure), time.monotonic())
            raise

    async def snapshot(self, fn: Work[T]) -> T:
        """See `Database.snapshot`."""
        return await self._shield(self._retry(fn, self._read, self._retry_seconds))

    async def close(self) -> None:
        """Finish the transactions that are under way, then close every connection."""
        self._is_closed = True
        if self._running:
            await asyncio.wait(tuple(self._running))
        try:
            await asyncio.wait_for(self._pool.close(), RETRY_SECONDS)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            _log.warning("the connections to %s could not be closed: %s", self.name, error_line(error))
            self._pool.terminate()

    async def _shield(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`. A caller that is cancelled neither undoes it nor breaks its connection."""
        if self._is_closed:
            work.close()
            raise StorageFailed("the database is closed")
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._on_done)
        return await asyncio.shield(task)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen: the caller may have been cancelled

    async def _retry(self, fn: Work[T], attempt: Callable[[Work[T]], Awaitable[T]], patience: float) -> T:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        tries = 0
        while True:
            try:
                return await attempt(fn)
            except _VALUE_ERRORS as error:  # some derive from InterfaceError, but the fault is the statement's
                raise ValueRefused(error_line(error)) from error
            except _RETRYABLE as error:
                pause = RETRY_DELAYS_SECONDS[min(tries, len(RETRY_DELAYS_SECONDS) - 1)]
                if loop.time() + pause >= began_at + (self._retry_seconds if self._is_closed else patience):
                    raise StorageFailed(error_line(error)) from error
            except asyncpg.SyntaxOrAccessError as error:
                raise StatementFailed(error_line(error)) from error
            except _REFUSALS as error:
                raise StorageFailed(error_line(error)) from error
            tries += 1
            await asyncio.sleep(pause)

    async def _write(self, fn: Work[T], patience: float) -> T:
        async with self._pool.acquire(timeout=self._pool_wait_seconds) as raw:
            tx = PostgresTransaction(raw)
            try:
                await raw.execute("BEGIN")
                result = await fn(tx)
            except BaseException:
                await _roll_back(raw)
                raise
            try:
                command_tag = await self._commit(raw)
            except CONNECTION_ERRORS as error:
                connection_error = error
            else:
                if command_tag != "COMMIT":  # "ROLLBACK": a statement had failed
                    raise StorageFailed("the transaction had failed before its end")
                return result
        if tx.proof is None:
            raise StorageFailed(_UNKNOWN) from connection_error
        if not await self._has_taken_place(tx.proof, patience):
            raise connection_error
        return result

    async def _commit(self, raw: Any) -> str:
        """Commit, and return the server's answer. One that takes too long ends the connection, but not the COMMIT.

        Raises:
            ConnectionError: the connection was lost, or ended here.
        """
        limit = asyncio.get_running_loop().call_later(self._command_seconds, raw.terminate)
        try:
            return await raw.execute("COMMIT", timeout=_UNLIMITED_SECONDS)  # asyncpg's own limit would cancel it
        finally:
            limit.cancel()

    async def _has_taken_place(self, proof: Work[bool], patience: float) -> bool:
        """Return True if the transaction with this proof was committed, False if it was rolled back.

        Raises:
            StorageFailed: it cannot be found out.
        """
        until = asyncio.get_running_loop().time() + patience
        while asyncio.get_running_loop().time() < until:
            try:
                async with self._pool.acquire(timeout=self._pool_wait_seconds) as raw:
                    await raw.execute("BEGIN")
                    try:
                        has_taken_place = await proof(PostgresTransaction(raw))
                    except BaseException:
                        await _roll_back(raw)
                        raise
                    await (self._commit(raw) if has_taken_place else _roll_back(raw))
                    return has_taken_place
            except (*_RETRYABLE, asyncpg.LockNotAvailableError) as error:  # the lock may be that COMMIT's
                _log.warning("the outcome of a COMMIT cannot be read yet: %s", error_line(error))
            await asyncio.sleep(RETRY_DELAYS_SECONDS[-1])
        raise StorageFailed(_UNKNOWN)

    async def _read(self, fn: Work[T]) -> T:
        async with self._pool.acquire(timeout=self._pool_wait_seconds) as raw:
            try:
                await raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                return await fn(PostgresTransaction(raw))
            finally:
                await _roll_back(raw)


async def _roll_back(raw: Any) -> None:
    """Roll the transaction back. If that fails, end the connection, so that the pool does not use it again."""
    try:
        await raw.execute("ROLLBACK")
    except (*CONNECTION_ERRORS, *_REFUSALS):
        raw.terminate()


async def _skip_reset(raw: Any) -> None:
    """Reset nothing when a connection is returned to the pool: no state outlives a transaction."""
    del raw


def error_line(error: BaseException) -> str:
    """Return the error's text in one line; its class if it has no text."""
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "no primary there: the server is a replica, or is being made a primary"
    return " ".join(str(error).split()) or type(error).__name__
