"""Finds out if the database can be written, by writing: for `GET /readyz`.

1. The probe adds a row to `schema_migrations` and deletes it, in one transaction. Nothing is left of it, but pages are
   written and synced. (An UPDATE to the same value would write nothing in SQLite.)
2. Several balancers may ask every second. All share one result for some seconds, so there are few writes, and never two
   at once.
3. A small write may succeed where a larger one fails, on a disk that is nearly full. So a transaction of anyone else
   that failed a moment ago counts, too.
"""

import asyncio
import time
from typing import NamedTuple

from chatkeep.db import Database, Transaction, can_be_repeated
from chatkeep.errors import StorageFailed, ValueRefused

RESULT_SECONDS = 5.0
"""Seconds for which a result is shared: there are no more writes than one in that time."""
FAILURE_SECONDS = 10.0
"""Seconds for which the last failed transaction counts."""
TIMEOUT_SECONDS = 2.0
"""Seconds that an answer waits for the write. The write itself is not given up."""
_PROBE_VERSION = -1
"""The version of the row, which no migration has."""


class ProbeTimes(NamedTuple):
    """The times of a probe, in seconds; tests have shorter ones."""

    result: float = RESULT_SECONDS
    failure: float = FAILURE_SECONDS
    timeout: float = TIMEOUT_SECONDS


class WriteProbe:
    """Tells if a database can be written."""

    def __init__(self, db: Database, times: ProbeTimes | None = None) -> None:
        self._db = db
        self._times = times or ProbeTimes()
        self._task: asyncio.Task[str] | None = None
        self._due = 0.0

    async def check(self) -> str:
        """Return `ok`, or in one line why the database cannot be written."""
        now = time.monotonic()
        if self._task is None or (self._task.done() and now >= self._due):
            self._due = now + self._times.result
            self._task = asyncio.create_task(self._probe(), name="write-probe")
        done, _ = await asyncio.wait([self._task], timeout=self._times.timeout)
        if not done:
            return f"nothing could be written for {self._times.timeout:g} seconds"
        failed = self._db.last_failure
        if failed is not None and time.monotonic() - failed.at < self._times.failure:
            return failed.reason
        return self._task.result()

    async def _probe(self) -> str:
        try:
            await self._db.snapshot(_read)
            await self._db.transaction(_write)
        except (StorageFailed, ValueRefused) as failure:
            return str(failure)
        return "ok"


async def _read(tx: Transaction) -> None:
    await tx.one("SELECT version FROM schema_migrations LIMIT 1")


async def _write(tx: Transaction) -> None:
    await tx.run(
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, 'probe', '', $2)",
        _PROBE_VERSION,
        await tx.now(),
    )
    await tx.run("DELETE FROM schema_migrations WHERE version = $1", _PROBE_VERSION)
    tx.prove(can_be_repeated)
