"""A database looked at from outside, by programs that are not the service's, while it runs or after it died."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from chatkeep.db import Param, Row
from tests.postgres import fetched

Look: TypeAlias = Callable[..., Sequence[Row]]
"""The rows of a statement, with `$1 $2` for the values that follow it."""


@contextmanager
def at_sqlite(file: Path, mode: str = "ro") -> Generator[Look]:
    """Through another SQLite than the service's; the file must be whole, and so must its references."""
    with closing(sqlite3.connect(f"file:{file}?mode={mode}", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []

        def look(sql: str, *values: Param) -> Sequence[Row]:
            return connection.execute(sql, {str(number): value for number, value in enumerate(values, 1)}).fetchall()

        yield look


@contextmanager
def at_postgres(url: str) -> Generator[Look]:
    """Over connections of our own; ids come as text."""

    def look(sql: str, *values: Param) -> Sequence[Row]:
        return elsewhere(fetched(url, sql, *values))

    yield look


def elsewhere(work: Coroutine[Any, Any, Sequence[Row]]) -> Sequence[Row]:
    """The outcome of `work`, done in an event loop of its own while this one stands still."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
