"""Databases of a PostgreSQL server, one for each test, copied from a template that has the schema."""

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
"""The ICU locale by which test databases sort text, such as `en-US`. If unset, they sort by bytes."""


@contextmanager
def new_database(server: Server, *, empty: bool = False) -> Generator[str]:
    """Create a database, with the schema unless `empty`, and drop it when the block ends. The value is its URL."""
    if not empty:
        _make_template(server)
    name = f"test_{uuid.uuid4().hex}"
    in_a_loop_of_its_own(execute(server.url(), f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else TEMPLATE}"))
    try:
        yield server.url(name)
    finally:
        in_a_loop_of_its_own(execute(server.url(), f"DROP DATABASE {name} WITH (FORCE)"))


def _make_template(server: Server) -> None:
    """Create the template if it is missing; one process at a time."""
    collation = f"LOCALE_PROVIDER icu ICU_LOCALE '{ICU_LOCALE}'" if ICU_LOCALE else ""
    marker = server.home / "template"  # deleted with the server
    lock = os.open(server.lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        if not marker.exists():
            in_a_loop_of_its_own(execute(server.url(), f"CREATE DATABASE {TEMPLATE} TEMPLATE template0 {collation}"))
            in_a_loop_of_its_own(_migrate(server.url(TEMPLATE)))
            marker.touch()
    finally:
        os.close(lock)


async def _migrate(url: str) -> None:
    await (await open_database(settings(url))).close()


def in_a_loop_of_its_own(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end in an event loop of its own, even from within a running one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
