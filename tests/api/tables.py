"""Direct access to the tables: to check that a refused request stored nothing, and to have sessions of other owners."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

from chatkeep.db import Row, Transaction
from chatkeep.runs.retention import delete_old_logs
from chatkeep.store.runs import COLUMNS
from tests.service import Service

Contents: TypeAlias = dict[str, list[Row]]

RUNS = f"{COLUMNS}, request, request_hash, idempotency_key, input_bytes, log_kept, worker, deadline"
"""All columns except `lease_until`, which the worker of an open run may renew at any time."""


async def contents(service: Service) -> Contents:
    """Return every row of every table that requests write to."""

    async def read(tx: Transaction) -> Contents:
        return {
            "sessions": await tx.all("SELECT * FROM sessions ORDER BY id"),
            "messages": await tx.all("SELECT * FROM messages ORDER BY id"),
            "runs": await tx.all(f"SELECT {RUNS} FROM runs ORDER BY id"),
            "message_files": await tx.all("SELECT * FROM message_files ORDER BY message_id, file_id"),
            "run_events": await tx.all("SELECT * FROM run_events ORDER BY session_key, run_number, position"),
        }

    return await service.runtime.db.snapshot(read)


async def counts(service: Service) -> dict[str, int]:
    """Return the number of rows of each table."""
    return {table: len(rows) for table, rows in (await contents(service)).items()}


@asynccontextmanager
async def nothing_stored(service: Service) -> AsyncGenerator[None]:
    """Check that the block changes no column of the database."""
    before = await contents(service)
    yield
    assert await contents(service) == before


async def change_owner(service: Service, session_id: str) -> None:
    """Give the session, with all it contains, to another owner."""

    async def write(tx: Transaction) -> None:
        await tx.run("UPDATE sessions SET owner = 'another owner' WHERE id = $1", session_id)

    await service.runtime.db.transaction(write)


async def expire_logs(service: Service) -> int:
    """Delete the logs of all ended runs, as if they had expired. Return how many there were."""
    runtime = service.runtime
    return await delete_old_logs(
        replace(runtime, settings=runtime.settings.model_copy(update={"events_retention": 1e-6}))
    )
