"""SQLite: one writer thread that commits in groups, a few read-only connections.

1. Whatever was submitted while a commit ran becomes the next group: one BEGIN IMMEDIATE … COMMIT, one fsync.
2. When a submission raises, the group is begun anew, with a savepoint for each: that one is undone alone. Nearly
   always none does, and savepoints cost two statements each, and copies of all pages that are changed after them.
3. SQLite may end a transaction by itself (a full disk). Then the whole group is refused, never half of it.
4. BEGIN IMMEDIATE is a statement, never `with connection:`, which waits for the lock with the GIL held.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import asyncio
import re
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, TypeVar, cast

import apsw

from chatkeep import clock
from chatkeep.db import Param, Row, Transaction
from chatkeep.errors import CannotStart, StorageFailed

T = TypeVar("T")
Work = Callable[[Transaction], Awaitable[Any]]

BUSY_TIMEOUT_MS = 5_000
MAX_READERS = 3
MAX_GROUP_SIZE = 500
"""Submissions in one commit, so that the first of a flood is not kept waiting for the last."""

CHECKPOINT_PAGES = 4_000
"""Pages (of 4 KiB) in the write-ahead log before they go to the file itself: each goes there once, however often
it was written meanwhile. SQLite's own figure is 1,000."""

WRITER_CACHE_KIB, READER_CACHE_KIB = 500, 250
"""KiB of pages that a connection keeps: what a flush of many runs changes, and what a page of history reads. SQLite's
own 2,000 KiB made nothing faster, and took 6 KB more for each of 200 streams.
"""


class SqliteTransaction:
    """One apsw connection as a `Transaction`; its methods never suspend, so a plain thread can drive them.

    All statements go through one cursor: with a new one for each, `bench/durable.py` is a tenth slower. So nothing may
    be left in it: all rows are fetched, and a statement that RETURNS is done only then.
    """

    __slots__ = ("_cursor", "_now")

    def __init__(self, cursor: apsw.Cursor) -> None:
        self._cursor = cursor
        self._now = ""

    async def all(self, sql: LiteralString, *params: Param) -> list[Row]:
        """Every row."""
        return self._cursor.execute(_to_sqlite_parameters(sql), params).fetchall()

    async def one(self, sql: LiteralString, *params: Param) -> Row | None:
        """The first row, or None."""
        rows = self._cursor.execute(_to_sqlite_parameters(sql), params).fetchall()
        return rows[0] if rows else None

    async def run(self, sql: LiteralString, *params: Param) -> None:
        """Run a statement for its effect."""
        self._cursor.execute(_to_sqlite_parameters(sql), params).fetchall()

    async def many(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> None:
        """Run a statement once per row of values."""
        self._cursor.executemany(_to_sqlite_parameters(sql), rows)

    async def returning(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> list[Row]:
        """Run a statement once per row of values; what they return."""
        return self._cursor.executemany(_to_sqlite_parameters(sql), rows).fetchall()

    async def now(self) -> str:
        """The machine's time, since the file and the process share one clock; the same within a transaction."""
        now = self._now = self._now or clock.now()
        return now

    async def lock_schema(self) -> None:
        """Nothing to wait for: every transaction that writes is alone."""


class Sqlite:
    """A SQLite file as a `Database`."""

    engine = "sqlite"

    def __init__(self, path: Path) -> None:
        """Open the file, or make it, and start the writer.

        Raises:
            CannotStart: the file cannot be opened, is no database, or cannot be written.
        """
        self.path = path
        self.name = str(path)
        self._writer = _Writer(_open(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE))
        self._local = threading.local()
        self._open: list[apsw.Connection] = []
        self._readers = ThreadPoolExecutor(MAX_READERS, "chatkeep-reader")

    async def transaction(self, fn: Callable[[Transaction], Awaitable[T]]) -> T:
        """See `Database.transaction`."""
        return await self._writer.submit(fn)

    async def snapshot(self, fn: Callable[[Transaction], Awaitable[T]]) -> T:
        """See `Database.snapshot`."""
        submission = _Submission(fn)
        self._readers.submit(self._read, submission)
        return await submission.future

    async def close(self) -> None:
        """Finish what was submitted, then close every connection."""
        self._readers.shutdown(wait=True)
        for connection in self._open:
            connection.close()
        await asyncio.to_thread(self._writer.stop)

    def _reader(self) -> apsw.Connection:
        """This thread's connection, opened when it is first needed; after a failure by the next one who needs it."""
        if not hasattr(self._local, "connection"):
            try:
                self._local.connection = _open(self.path, apsw.SQLITE_OPEN_READONLY)
            except CannotStart as error:
                raise StorageFailed(str(error)) from error
            self._open.append(self._local.connection)
        return self._local.connection

    def _read(self, submission: "_Submission") -> None:
        try:
            connection = self._reader()
            connection.execute("BEGIN")
            try:
                submission.result = _run_to_end(submission.fn(SqliteTransaction(connection.cursor())))
            finally:
                connection.execute("ROLLBACK")
        except BaseException as error:  # noqa: BLE001  # handed to whoever submitted it
            submission.fail(error)
        _resolve([submission])


class _Writer:
    """The thread that holds the only connection that writes."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._queue: deque[_Submission] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="chatkeep-writer")
        self._thread.start()

    async def submit(self, fn: Work) -> Any:
        if self._stopping:
            raise StorageFailed("the database is closed")
        submission = _Submission(fn)
        self._queue.append(submission)
        if not self._wake.is_set():  # else the writer will look once more; setting it takes a lock, and wakes
            self._wake.set()
        return await submission.future

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not (self._stopping and not self._queue):
            self._wake.wait()
            self._wake.clear()
            while self._queue:
                group = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_GROUP_SIZE))]
                self._commit(group)
                _resolve(group)
        with suppress(apsw.Error):  # only makes later statements faster, and a disk may be full
            self._connection.execute("PRAGMA optimize")
        self._connection.close()

    def _commit(self, group: "list[_Submission]") -> None:
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            if not self._run_all(group):
                execute("ROLLBACK")
                execute("BEGIN IMMEDIATE")
                for submission in group:
                    self._run_isolated(submission)
            execute("COMMIT")
        except apsw.Error as error:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            for submission in group:
                submission.fail(error)

    def _run_all(self, group: "list[_Submission]") -> bool:
        """Run them, up to one that raises; whether none did."""
        try:
            for submission in group:
                submission.result = _run_to_end(submission.fn(SqliteTransaction(self._cursor)))
        except BaseException as error:  # noqa: BLE001  # it will raise again where it is handed to its caller
            self._raise_if_rolled_back(error)
            return False
        return True

    def _run_isolated(self, submission: "_Submission") -> None:
        execute = self._connection.execute
        execute("SAVEPOINT submission")
        try:
            submission.result = _run_to_end(submission.fn(SqliteTransaction(self._cursor)))
        except BaseException as error:  # noqa: BLE001  # handed to whoever submitted it
            self._raise_if_rolled_back(error)
            execute("ROLLBACK TO submission")
            submission.fail(error)
        execute("RELEASE submission")

    def _raise_if_rolled_back(self, error: BaseException) -> None:
        if not self._connection.in_transaction:
            raise apsw.FullError(f"SQLite ended the transaction: {error}") from error


class _Submission:
    """A transaction or a snapshot on its way through a thread."""

    __slots__ = ("error", "fn", "future", "loop", "result")

    def __init__(self, fn: Work) -> None:
        self.fn = fn
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.error = error
        if isinstance(error, apsw.Error):
            self.error = StorageFailed(str(error))
            self.error.__cause__ = error

    def resolve(self) -> None:
        if self.future.done():  # its caller was cancelled
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _resolve(group: list[_Submission]) -> None:
    """Wake the callers, with one call into their event loop for the whole group."""

    def resolve() -> None:
        for submission in group:
            submission.resolve()

    try:
        group[0].loop.call_soon_threadsafe(resolve)
    except RuntimeError:  # the loop has closed: nobody is left who waits for the outcome
        return


def _run_to_end(work: Awaitable[T]) -> T:
    """The result of a coroutine that never suspends."""
    coroutine = cast("Coroutine[Any, Any, T]", work)
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise RuntimeError("a transaction may await nothing but its connection")


@cache
def _to_sqlite_parameters(sql: str) -> str:
    """`$1` as `?1`: SQLite reads the first as a parameter *named* 1, whose values would come in a dict for each row."""
    return re.sub(r"\$(?=\d)", "?", sql)


def _open(path: Path, flags: int) -> apsw.Connection:
    try:
        connection = apsw.Connection(str(path), flags=flags)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        is_writer = bool(flags & apsw.SQLITE_OPEN_READWRITE)
        if is_writer:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB if is_writer else READER_CACHE_KIB}")
        connection.execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    except apsw.Error as error:
        raise CannotStart(f"cannot open the database {path}: {error}") from error
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    return connection
