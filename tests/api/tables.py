"""What is stored, looked at from behind: to see that a refused request left nothing, and to have strangers."""

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
"""All columns but `lease_until`, which the owner of an open run renews at any time."""


async def contents(service: Service) -> Contents:
    """Every row of every table that requests write to."""

    async def read(tx: Transaction) -> Contents:
        return {
            "sessions": await tx.all("SELECT * FROM sessions ORDER BY id"),
            "messages": await tx.all("SELECT * FROM messages ORDER BY id"),
            "runs": await tx.all(f"SELECT {RUNS} FROM runs ORDER BY id"),
            "run_events": await tx.all("SELECT * FROM run_events ORDER BY log, position"),
        }

    return await service.runtime.db.snapshot(read)


async def counts(service: Service) -> dict[str, int]:
    """How many rows each table has."""
    return {table: len(rows) for table, rows in (await contents(service)).items()}


@asynccontextmanager
async def nothing_stored(service: Service) -> AsyncGenerator[None]:
    """A block that leaves the database as it was, to the last column."""
    before = await contents(service)
    yield
    assert await contents(service) == before


async def give_away(service: Service, session_id: str) -> None:
    """Make the session and all that is in it somebody else's."""

    async def write(tx: Transaction) -> None:
        await tx.run("UPDATE sessions SET owner = 'somebody else' WHERE id = $1", session_id)

    await service.runtime.db.transaction(write)


async def forget_logs(service: Service) -> int:
    """Sweep as if every ended run had ended long ago; how many logs went."""
    worker = service.runtime
    return await delete_old_logs(
        replace(worker, settings=worker.settings.model_copy(update={"events_retention": 1e-6}))
    )
