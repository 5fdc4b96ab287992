"""Databases of a PostgreSQL server, one for each test, copied from a template that has the schema.

With TEST_PLAIN_POSTGRES=yes they are those of a server with few features, as some distributed ones are: `make plain`.
"""

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

PLAIN = os.environ.get("TEST_PLAIN_POSTGRES") == "yes"
"""Whether tests use databases without LISTEN, advisory locks and functions that tell a transaction's number or fate.

The service is connected as behind a proxy that pools transactions, since it then sends no LISTEN. The rest is revoked
from its role, which is no superuser.
"""
_REVOKE = """DO $$
    DECLARE function regprocedure;
    BEGIN
        FOR function IN
            SELECT oid FROM pg_proc
             WHERE pronamespace = CAST('pg_catalog' AS regnamespace)
               AND (proname ~ 'advisory|^pg_notify$|^pg_listening_channels$|^txid_|^pg_xact_|^pg_current_xact_id')
        LOOP
            EXECUTE FORMAT('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
        END LOOP;
    END $$"""
_ROLE = "DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"

not_plain = pytest.mark.skipif(PLAIN, reason="needs LISTEN, advisory locks or a superuser")


def service_url(server: Server, name: str) -> str:
    """Return the URL by which the service uses the database `name`."""
    url = server.url(name)
    return url.replace("postgres@", "plain@", 1) + "?pgbouncer=true" if PLAIN else url


@contextmanager
def new_database(server: Server, *, empty: bool = False) -> Generator[str]:
    """Create a database, with the schema unless `empty`, and drop it when the block ends. The value is its URL."""
    if not empty:
        _make_template(server)
    name = f"test_{uuid.uuid4().hex}"
    _create(server, name, "template0" if empty else TEMPLATE)
    try:
        yield service_url(server, name)
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
            _create(server, TEMPLATE, f"template0 {collation}")
            in_a_loop_of_its_own(_migrate(service_url(server, TEMPLATE)))
            marker.touch()
    finally:
        os.close(lock)


def _create(server: Server, name: str, template: str) -> None:
    """Create a database of that name. A plain one belongs to the role `plain`, and has few features."""
    if not PLAIN:
        in_a_loop_of_its_own(execute(server.url(), f"CREATE DATABASE {name} TEMPLATE {template}"))
        return
    in_a_loop_of_its_own(execute(server.url(), _ROLE, f"CREATE DATABASE {name} TEMPLATE {template} OWNER plain"))
    in_a_loop_of_its_own(execute(server.url(name), _REVOKE))


async def _migrate(url: str) -> None:
    await (await open_database(settings(url))).close()


def in_a_loop_of_its_own(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end in an event loop of its own, even from within a running one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
