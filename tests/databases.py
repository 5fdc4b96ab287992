"""Databases of a PostgreSQL server, one a test: copied from a template that has the schema already."""

import asyncio
import fcntl
import os
import uuid
from collections.abc import Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from chatkeep.runs.loading import open_database
from tests.postgres import Server, execute
from tests.service import settings

only_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
only_postgres = pytest.mark.parametrize("database", ["postgres"], indirect=True)

TEMPLATE = "chatkeep_template"
ICU_LOCALE = os.environ.get("TEST_ICU_LOCALE")
"""A language by whose rules every database of the tests orders text (`en-US`); unset: by bytes."""


@contextmanager
def new_database(server: Server, *, empty: bool = False) -> Generator[str]:
    """The URL of a new database, which is dropped in the end; with the schema, or `empty`."""
    if not empty:
        _make_template(server)
    name = f"test_{uuid.uuid4().hex}"
    in_a_loop_of_its_own(execute(server.url(), f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else TEMPLATE}"))
    try:
        yield server.url(name)
    finally:
        in_a_loop_of_its_own(execute(server.url(), f"DROP DATABASE {name} WITH (FORCE)"))


def _make_template(server: Server) -> None:
    """Make the template, unless it is there; one process at a time."""
    collation = f"LOCALE_PROVIDER icu ICU_LOCALE '{ICU_LOCALE}'" if ICU_LOCALE else ""
    made = server.home / "template"  # gone with the server
    lock = os.open(server.lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        if not made.exists():
            in_a_loop_of_its_own(execute(server.url(), f"CREATE DATABASE {TEMPLATE} TEMPLATE template0 {collation}"))
            in_a_loop_of_its_own(_migrate(server.url(TEMPLATE)))
            made.touch()
    finally:
        os.close(lock)


async def _migrate(url: str) -> None:
    await (await open_database(settings(url))).close()


def in_a_loop_of_its_own(work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end, wherever we are: in a test's event loop, too."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
