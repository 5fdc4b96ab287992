"""Queries of a database from outside the service, while it runs or after it died."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from chatkeep.db import Param, Row
from tests.postgres import fetch_rows

Query: TypeAlias = Callable[..., Sequence[Row]]
"""Returns the rows of a statement, with `$1 $2` for the values that follow it."""


@contextmanager
def query_sqlite(file: Path, mode: str = "ro") -> Generator[Query]:
    """Query through Python's own SQLite, after checking the file's integrity and foreign keys."""
    with closing(sqlite3.connect(f"file:{file}?mode={mode}", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []

        def query(sql: str, *values: Param) -> Sequence[Row]:
            return connection.execute(sql, {str(number): value for number, value in enumerate(values, 1)}).fetchall()

        yield query


@contextmanager
def query_postgres(url: str) -> Generator[Query]:
    """Query over separate connections; ids come as text."""

    def query(sql: str, *values: Param) -> Sequence[Row]:
        return run_in_own_loop(fetch_rows(url.partition("?")[0], sql, *values))  # without our own parameters

    yield query


def run_in_own_loop(work: Coroutine[Any, Any, Sequence[Row]]) -> Sequence[Row]:
    """Run `work` in an event loop of its own while this one stands still, and return its result."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
