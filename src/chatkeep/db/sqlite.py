"""SQLite: one thread that writes and commits in groups, and a few threads that read.

SQLite has one writer at a time, and a commit counts only when the disk has it (fsync). So transactions share commits.
Each caller submits one transaction and waits for the outcome of that one:

    submitted        t1  t2 t3 t4               t5
    writer thread    [ BEGIN t1 COMMIT fsync ]  [ BEGIN t2 t3 t4 COMMIT fsync ]  [ BEGIN t5 COMMIT fsync ]

1. All that is submitted while a commit runs becomes the next group: one BEGIN IMMEDIATE ... COMMIT. So a transaction
   gets cheaper with load.
2. When a submission raises and has written nothing (most refusals have not), the others go on. When it has written,
   the group is rolled back and runs again with a savepoint for each submission, and only that one is undone. The first
   time there are no savepoints: a savepoint costs two statements, and copies of all pages that are changed after it.
   A submission may run twice because of this.
3. SQLite may end a transaction by itself, on a full disk for example (sqlite.org/lang_transaction.html, "Response To
   Errors Within A Transaction"). Then the whole group is refused, never half of it. If it cannot even be rolled back,
   the connection is closed and opened again, for the next group if not for this one.
4. BEGIN IMMEDIATE is a statement, never `with connection:`, which would wait for SQLite's lock while holding the GIL.
5. Before a COMMIT the writer looks whether the files are still there, once a second (`open_files.py`). So no write is
   acknowledged that began more than a second after a file was deleted or replaced.
6. Readers have connections of their own that cannot write. In WAL mode they and the writer do not wait for each other.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw

from chatkeep.db import FailedWrite, Transaction
from chatkeep.db.open_files import OpenFiles
from chatkeep.db.private_file import make_private_file
from chatkeep.db.sqlite_submission import Submission, Work, resolve_all
from chatkeep.db.sqlite_transaction import SqliteTransaction, run_to_end
from chatkeep.errors import CannotStart, StatementFailed, StorageFailed

_log = logging.getLogger("chatkeep")
T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000
"""Milliseconds that a statement waits for the lock of another process."""
MAX_READERS = 3
"""The most threads that read, with a connection each."""
MAX_GROUP_SIZE = 500
"""The most submissions in one commit, so that the first of a flood does not wait for the last."""

CHECKPOINT_PAGES = 4_000
"""Pages (of 4 KiB) that the write-ahead log gathers before they are copied to the file. A page is then copied once,
however often it was written meanwhile. SQLite's own default is 1,000 pages."""

WAL_BYTES_KEPT = 64 * 2**20
"""Bytes of the write-ahead log's file that stay on the disk after a long transaction has made it longer."""

WRITER_CACHE_KIB, READER_CACHE_KIB = 500, 250
"""KiB of pages that a connection keeps in memory: enough for what a flush of many runs changes, or a page of history
reads. SQLite's own default of 2,000 KiB made nothing faster, and took 6 KB more for each of 200 streams."""


class Sqlite:
    """A SQLite file as a `Database`."""

    engine = "sqlite"

    def __init__(self, path: Path, connection_class: type[apsw.Connection] = apsw.Connection) -> None:
        """Open the file, or create it, and start the writer. Tests give the writer another `connection_class`.

        Raises:
            CannotStart: the file cannot be opened, is no database, or cannot be written.
        """
        self.path = path
        self.name = str(path)
        self.last_failure: FailedWrite | None = None
        self._writer = _Writer(path, connection_class)
        self._local = threading.local()
        self._connections: list[apsw.Connection] = []  # of the readers
        self._readers = ThreadPoolExecutor(MAX_READERS, "chatkeep-reader")
        self._is_closed = False

    async def transaction(self, fn: Callable[[Transaction], Awaitable[T]], *, patience_seconds: float = 0.0) -> T:
        """See `Database.transaction`."""
        try:
            return await self._writer.submit(fn)
        except StorageFailed as failure:
            if not isinstance(failure, StatementFailed):
                self.last_failure = FailedWrite(str(failure), time.monotonic())
            raise

    async def snapshot(self, fn: Callable[[Transaction], Awaitable[T]]) -> T:
        """See `Database.snapshot`."""
        if self._is_closed:
            raise StorageFailed("the database is closed")
        submission = Submission(fn)
        self._readers.submit(self._read, submission)
        return await submission.future

    async def close(self) -> None:
        """Finish all submissions, then close every connection."""
        self._is_closed = True
        await asyncio.to_thread(self._readers.shutdown, wait=True)
        for connection in self._connections:
            connection.close()
        await asyncio.to_thread(self._writer.stop)

    def _reader(self) -> apsw.Connection:
        """Return this thread's connection, opened by the first call, or after a failure by the next one."""
        if not hasattr(self._local, "connection"):
            self._writer.files.check_database()  # the path may lead to another one by now
            try:
                self._local.connection = _open(self.path, apsw.SQLITE_OPEN_READONLY)
            except CannotStart as error:
                raise StorageFailed(str(error)) from error
            self._connections.append(self._local.connection)
        return self._local.connection

    def _read(self, submission: Submission) -> None:
        try:
            connection = self._reader()
            connection.execute("BEGIN")
            try:
                submission.result = run_to_end(submission.fn(SqliteTransaction(connection.cursor())))
            finally:
                connection.execute("ROLLBACK")
        except BaseException as error:  # noqa: BLE001  # raised in the caller that submitted it
            submission.fail(error)
        resolve_all([submission])


class _Writer:
    """The thread that holds the only connection that writes."""

    def __init__(self, path: Path, connection_class: type[apsw.Connection]) -> None:
        self._path = path
        self._connection_class = connection_class
        self._connection = _open(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, connection_class)
        self.files = OpenFiles(path)
        self._queue: deque[Submission] = deque()
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="chatkeep-writer")
        self._thread.start()

    async def submit(self, fn: Work) -> Any:
        if self._is_stopping:
            raise StorageFailed("the database is closed")
        submission = Submission(fn)
        self._queue.append(submission)
        if not self._wake.is_set():  # if set, the writer looks again anyway; setting takes a lock
            self._wake.set()
        return await submission.future

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not (self._is_stopping and not self._queue):
            self._wake.wait()
            self._wake.clear()
            while self._queue:
                group = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_GROUP_SIZE))]
                self._commit(group)
                resolve_all(group)
        with suppress(apsw.Error):  # it only makes later statements faster; the disk may be full
            self._connection.execute("PRAGMA optimize")
        self._connection.close()

    def _commit(self, group: list[Submission]) -> None:
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            if not self._run_all(group):
                execute("ROLLBACK")
                execute("BEGIN IMMEDIATE")
                for submission in group:
                    self._run_isolated(submission)
            self.files.check()
            execute("COMMIT")
        except BaseException as error:  # noqa: BLE001  # raised in the callers; without this thread nothing is written
            for submission in group:
                submission.fail(error)
            self._roll_back()

    def _roll_back(self) -> None:
        """End the transaction, if SQLite has not done so itself. If that fails, start anew with a fresh connection."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error as error:
            _log.error("the database cannot roll back, and is opened again: %s", error)
            try:
                self._connection.close(True)
                self.files.check_database()
                self._connection = _open(self._path, apsw.SQLITE_OPEN_READWRITE, self._connection_class)
                self.files.note_companions()
            except (
                apsw.Error,
                CannotStart,
                StorageFailed,
            ) as failure:  # tried again at the next group, whose BEGIN fails
                _log.error("the database cannot be written for now: %s", failure)

    def _run_all(self, group: list[Submission]) -> bool:
        """Run the submissions. Return False at the first that raises after it has written: all have to run again."""
        schema_version = self._schema_version()
        for submission in group:
            changes = self._connection.total_changes()
            try:
                submission.result = run_to_end(submission.fn(self._transaction()))
            except BaseException as error:  # noqa: BLE001  # raised in the caller that submitted it
                self._raise_if_rolled_back(error)
                if self._connection.total_changes() != changes or self._schema_version() != schema_version:
                    return False
                submission.fail(error)
        return True

    def _schema_version(self) -> Any:
        return self._connection.pragma("schema_version")  # changes of the schema are not among the total changes

    def _transaction(self) -> SqliteTransaction:
        return SqliteTransaction(self._connection.cursor())

    def _run_isolated(self, submission: Submission) -> None:
        execute = self._connection.execute
        execute("SAVEPOINT submission")
        submission.error = None
        try:
            submission.result = run_to_end(submission.fn(self._transaction()))
        except BaseException as error:  # noqa: BLE001  # raised in the caller that submitted it
            self._raise_if_rolled_back(error)
            execute("ROLLBACK TO submission")
            submission.fail(error)
        execute("RELEASE submission")

    def _raise_if_rolled_back(self, error: BaseException) -> None:
        if not self._connection.in_transaction:
            raise apsw.FullError(f"SQLite ended the transaction: {error}") from error


def _open(path: Path, flags: int, connection_class: type[apsw.Connection] = apsw.Connection) -> apsw.Connection:
    is_writer = bool(flags & apsw.SQLITE_OPEN_READWRITE)
    try:
        if flags & apsw.SQLITE_OPEN_CREATE:
            make_private_file(path)
        connection = connection_class(str(path), flags=flags)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        if is_writer:
            connection.execute("PRAGMA journal_mode = WAL; SELECT 1 FROM sqlite_schema").fetchall()  # makes both files
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB if is_writer else READER_CACHE_KIB}")
        connection.execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    except (apsw.Error, OSError) as error:
        raise CannotStart(f"cannot open the database {path}: {error}") from error
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    return connection
