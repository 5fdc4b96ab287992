"""A transaction or snapshot on one SQLite connection, as a `Transaction` whose methods never suspend.

So a plain thread can run a transaction, which is a coroutine, from its beginning to its end: `run_to_end`. PostgreSQL
awaits the same coroutine in the event loop.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import cache
from typing import Any, LiteralString, TypeVar, cast

import apsw

from chatkeep import clock
from chatkeep.db import Param, Row, Transaction, sqlite_words
from chatkeep.db.word_query import WordIndex, WordQuery

T = TypeVar("T")


class SqliteTransaction:
    """One apsw cursor as a `Transaction`.

    All statements use the same cursor: a new one for each makes `bench/durable.py` 10 % slower. So no statement may be
    left unfinished: every row is fetched, and a statement with RETURNING is done only then.
    """

    __slots__ = ("_cursor", "_now")

    def __init__(self, cursor: apsw.Cursor) -> None:
        self._cursor = cursor
        self._now = ""

    async def all(self, sql: LiteralString, *params: Param) -> list[Row]:
        """Return every row."""
        return self._cursor.execute(_to_sqlite_parameters(sql), params).fetchall()

    async def one(self, sql: LiteralString, *params: Param) -> Row | None:
        """Return the first row, or None."""
        rows = self._cursor.execute(_to_sqlite_parameters(sql), params).fetchall()
        return rows[0] if rows else None

    async def run(self, sql: LiteralString, *params: Param) -> None:
        """Run a statement for its effect."""
        self._cursor.execute(_to_sqlite_parameters(sql), params).fetchall()

    async def many(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> None:
        """Run a statement once for each row of parameters."""
        self._cursor.executemany(_to_sqlite_parameters(sql), rows)

    async def returning(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> list[Row]:
        """Run a statement once for each row of parameters. Return the rows that they return."""
        return self._cursor.executemany(_to_sqlite_parameters(sql), rows).fetchall()

    async def find_words(self, index: WordIndex, query: WordQuery, owner: str, limit: int) -> list[Row]:
        """Return what an index of words has: see `Transaction.find_words`."""
        return await sqlite_words.find_words(self, index, query, owner, limit)

    async def settle_words(self) -> bool:
        """Move words that wait into the index: see `Transaction.settle_words`."""
        return await sqlite_words.settle_words(self)

    async def now(self) -> str:
        """Return the machine's time, which all processes on the file share. It stays the same within a transaction."""
        now = self._now = self._now or clock.now()
        return now

    async def list_columns(self, table: str) -> set[str]:
        """Return the names of a table's columns; none if there is no such table."""
        return {name for (name,) in await self.all("SELECT name FROM pragma_table_info($1)", table)}

    def prove(self, has_taken_place: Callable[["Transaction"], Awaitable[bool]]) -> None:
        """Do nothing: no answer to a COMMIT can be lost."""

    async def size_bytes(self) -> int:
        """Return the size of the whole database, pages that are free for now included."""
        (size,) = await self.one("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size") or (0,)
        return size

    async def lock_schema(self) -> None:
        """Do nothing: SQLite has one writing transaction at a time."""


def run_to_end(work: Awaitable[T]) -> T:
    """Return the result of a coroutine that awaits nothing but the methods of its `SqliteTransaction`.

    Raises:
        RuntimeError: it has awaited something else.
    """
    coroutine = cast("Coroutine[Any, Any, T]", work)
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError("a transaction may await nothing but its connection")


@cache
def _to_sqlite_parameters(sql: str) -> str:
    """Return a statement with `?1` in place of `$1`.

    SQLite reads `$1` as a parameter *named* 1, whose value would come in a dict for each row.
    """
    return re.sub(r"\$(?=\d)", "?", sql)
