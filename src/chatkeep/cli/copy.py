"""`chatkeep copy FROM TO`: copies a whole database to another one, of either engine, and compares the two.

1. Rows are copied page by page, in a transaction each. A copy that was interrupted continues with `--resume`: rows
   that the target has already are left alone.
2. Each table is then compared: the number of its rows, and a digest of all of them. Only if both are equal is the
   table copied.
"""

import hashlib
from collections.abc import AsyncGenerator
from typing import NamedTuple

import msgspec

from chatkeep.db import Database, Row
from chatkeep.db.notifier import Notifier
from chatkeep.db.open import join_processes
from chatkeep.errors import CannotStart
from chatkeep.runs.loading import open_database
from chatkeep.settings import Settings
from chatkeep.store import copying as store_copying
from chatkeep.store import leases as store_leases
from chatkeep.store.copying import Table
from chatkeep.watch.progress import OnProgress, ignore_progress


class TableDigest(NamedTuple):
    """The number of rows of a table, and a digest of them that does not depend on their order."""

    rows: int
    digest: int

    def __str__(self) -> str:
        return f"rows {self.rows:>12,}   digest {self.digest:016x}"


PASSES = 3
"""How often each row is read: to copy it, and for the two digests."""


async def copy(
    source: Settings,
    target: Settings,
    on_progress: OnProgress = ignore_progress,
    *,
    resume: bool,
    page_size: int = store_copying.PAGE_SIZE,
) -> dict[str, TableDigest]:
    """Copy the database of `source` to that of `target`, and return the digest of each table by its name.

    The target must be empty; with `resume` it may hold part of a copy. `page_size`: rows per transaction. Progress is
    in rows that were read, each three times.

    Raises:
        CannotStart: a database cannot be used, a service runs on the source, or the two differ after the copy.
    """
    path = source.database_path()
    if path is not None and not path.is_file():  # blocks the event loop: nothing else runs on it
        raise CannotStart(f"there is no database {path}")
    async with join_processes(source, Notifier()) as presence:
        if path is not None and not presence.is_alone:
            raise CannotStart(f"a service runs on {path}: stop it first")
        source_db = await open_database(source)
        try:
            target_db = await open_database(target)
            try:
                await _check(source_db, target_db, resume=resume)
                work = _Copy(source_db, target_db, page_size, on_progress)
                return await work.run()
            finally:
                await target_db.close()
        finally:
            await source_db.close()


async def _check(source: Database, target: Database, *, resume: bool) -> None:
    if await source.snapshot(store_leases.list_leased):
        raise CannotStart(f"runs are in progress on {source.name}: stop the service, and let it end them")
    if not resume and not await target.snapshot(store_copying.is_empty):
        raise CannotStart(f"{target.name} is not empty; a copy that was cut off is gone on with by --resume")


class _Copy:
    """The work, and how far it is."""

    def __init__(self, source: Database, target: Database, page_size: int, on_progress: OnProgress) -> None:
        self._source, self._target = source, target
        self._page_size = page_size
        self._on_progress = on_progress
        self._done = self._total = 0

    async def run(self) -> dict[str, TableDigest]:
        self._total = PASSES * await self._source.snapshot(store_copying.count_rows)
        return {table.name: await self._copy_table(table) for table in store_copying.TABLES}

    async def _copy_table(self, table: Table) -> TableDigest:
        async for page in self._read_pages(self._source, table):
            await self._target.transaction(lambda tx, page=page: store_copying.add_page(tx, table, page))
        expected, copied = await self._digest(self._source, table), await self._digest(self._target, table)
        if expected != copied:
            raise CannotStart(
                f"{table.name} differ after the copy:"
                f" {expected} at {self._source.name}, {copied} at {self._target.name}"
            )
        return expected

    async def _read_pages(self, db: Database, table: Table) -> AsyncGenerator[list[Row]]:
        after, limit = table.first_key, min(self._page_size, table.max_rows)
        while page := await db.snapshot(lambda tx, after=after: store_copying.list_page(tx, table, after, limit)):
            yield page
            after = page[-1][: table.key_columns]
            self._done += len(page)
            self._on_progress(self._done, self._total)

    async def _digest(self, db: Database, table: Table) -> TableDigest:
        """Return the digest of a table: the sum, modulo 2**64, of the first 8 bytes of the SHA-256 of each row as JSON.

        It is a sum so that the order of the rows does not matter.
        """
        count = total = 0
        async for page in self._read_pages(db, table):
            for row in page:
                row_hash = hashlib.sha256(msgspec.json.encode(row)).digest()
                total = (total + int.from_bytes(row_hash[:8])) % 2**64
            count += len(page)
        return TableDigest(count, total)
