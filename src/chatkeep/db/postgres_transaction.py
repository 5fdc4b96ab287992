"""A transaction or snapshot on one PostgreSQL connection, with values as the store knows them.

On both engines the store reads and writes ids, times and words of an index as text, times in the form of
`chatkeep.clock`. `set_codecs` teaches a connection these types. JSON needs no codec: asyncpg leaves it as text.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (asyncpg has no types)

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from chatkeep import clock
from chatkeep.db import Param, Row, Transaction
from chatkeep.db.postgres_words import FIND, to_tsquery
from chatkeep.db.word_query import WordIndex, WordQuery

_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001  # PostgreSQL counts microseconds since then, in UTC
_MICROSECOND = timedelta(microseconds=1)

MIGRATION_SECONDS = 7 * 86_400.0
"""Seconds that a statement may take after `lock_schema`: a migration of a large database takes as long as it takes."""


class PostgresTransaction:
    """One asyncpg connection as a `Transaction`, for one transaction. `proof` is what `prove` was given last."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._now = ""
        self._timeout: float | None = None  # None: the connection's, for every statement
        self.proof: Callable[[Transaction], Awaitable[bool]] | None = None

    async def all(self, sql: LiteralString, *params: Param) -> list[Row]:
        """Return every row."""
        return [tuple(row) for row in await self._raw.fetch(sql, *params, timeout=self._timeout)]

    async def one(self, sql: LiteralString, *params: Param) -> Row | None:
        """Return the first row, or None."""
        row = await self._raw.fetchrow(sql, *params, timeout=self._timeout)
        return None if row is None else tuple(row)

    async def run(self, sql: LiteralString, *params: Param) -> None:
        """Run a statement for its effect."""
        await self._raw.execute(sql, *params, timeout=self._timeout)

    async def many(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> None:
        """Run a statement once for each row of parameters, all sent at once."""
        await self._raw.executemany(sql, rows, timeout=self._timeout)

    async def returning(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> list[Row]:
        """Run a statement once for each row of parameters, all sent at once. Return the rows that they return."""
        return [tuple(row) for row in await self._raw.fetchmany(sql, rows, timeout=self._timeout)]

    async def find_words(self, index: WordIndex, query: WordQuery, owner: str, limit: int) -> list[Row]:
        """Return what an index of words has: see `Transaction.find_words`."""
        return await self.all(FIND[index], to_tsquery(query), owner, limit)

    async def settle_words(self) -> bool:
        """Do nothing: the server moves what waits (`fastupdate` of a GIN index)."""
        return False

    async def now(self) -> str:
        """Return the server's time. It stays the same within a transaction."""
        now = self._now = self._now or await self._raw.fetchval("SELECT clock_timestamp()")
        return now

    async def list_columns(self, table: str) -> set[str]:
        """Return the names of a table's columns; none if there is no such table on the search path."""
        rows = await self.all(
            """SELECT attname FROM pg_attribute
                WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped""",
            table,
        )
        return {name for (name,) in rows}

    def prove(self, has_taken_place: Callable[[Transaction], Awaitable[bool]]) -> None:
        """Keep the function for a COMMIT whose answer is lost."""
        self.proof = has_taken_place

    async def size_bytes(self) -> int:
        """Return the size of the whole database on the server's disk."""
        return await self._raw.fetchval("SELECT pg_database_size(current_database())")

    async def lock_schema(self) -> None:
        """Lock the table of migrations until the transaction ends. Waits while another process has the lock.

        From here on, nothing in the transaction has a limit of time.
        In an empty database there is none yet. Then the second of two processes fails when it makes it, and tries again
        (`migrate`).
        """
        self._timeout = MIGRATION_SECONDS
        await self.run("SET LOCAL lock_timeout = 0")
        await self.run("SET LOCAL statement_timeout = 0")
        if await self.list_columns("schema_migrations"):
            await self.run("LOCK TABLE schema_migrations IN EXCLUSIVE MODE")


async def set_codecs(raw: Any) -> None:
    """Make ids, times and words text on a new connection, in a transaction: a proxy may pool transactions."""
    async with raw.transaction():
        for name in ("uuid", "tsvector"):
            await raw.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=str, format="text")
        await raw.set_type_codec(
            "timestamptz", schema="pg_catalog", encoder=_to_microseconds, decoder=_from_microseconds, format="tuple"
        )


def _to_microseconds(text: str) -> tuple[int]:
    return ((datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) - _EPOCH) // _MICROSECOND,)


def _from_microseconds(value: tuple[int]) -> str:
    return (_EPOCH + timedelta(microseconds=value[0])).strftime(clock.FORMAT)
