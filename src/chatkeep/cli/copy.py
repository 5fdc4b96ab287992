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


class TableDigest(NamedTuple):
    """The number of rows of a table, and a digest of them that does not depend on their order."""

    rows: int
    digest: int

    def __str__(self) -> str:
        return f"rows {self.rows:>12,}   digest {self.digest:016x}"


async def copy(
    source: Settings, target: Settings, *, resume: bool, page_size: int = store_copying.PAGE_SIZE
) -> dict[str, TableDigest]:
    """Copy the database of `source` to that of `target`, and return the digest of each table by its name.

    The target must be empty; with `resume` it may hold part of a copy. `page_size`: rows per transaction.

    Raises:
        CannotStart: a database cannot be used, a service runs on the source, or the two differ after the copy.
    """
    path = source.database_path()
    if path is not None and not path.is_file():  # blocks the event loop: nothing else runs on it
        raise CannotStart(f"there is no database {path}")
    async with join_processes(source, Notifier()) as presence:
        if path is not None and not presence.is_alone:
            raise CannotStart(f"a service runs on {path}: stop it first")
        return await _copy_database(source, target, resume=resume, page_size=page_size)


async def _copy_database(source: Settings, target: Settings, *, resume: bool, page_size: int) -> dict[str, TableDigest]:
    source_db = await open_database(source)
    try:
        target_db = await open_database(target)
        try:
            await _check(source_db, target_db, resume=resume)
            tables = store_copying.TABLES
            return {table.name: await _copy_table(source_db, target_db, table, page_size) for table in tables}
        finally:
            await target_db.close()
    finally:
        await source_db.close()


async def _check(source: Database, target: Database, *, resume: bool) -> None:
    if await source.snapshot(store_leases.list_leased):
        raise CannotStart(f"runs are in progress on {source.name}: stop the service, and let it end them")
    if not resume and not await target.snapshot(store_copying.is_empty):
        raise CannotStart(f"{target.name} is not empty; a copy that was cut off is gone on with by --resume")


async def _copy_table(source: Database, target: Database, table: Table, page_size: int) -> TableDigest:
    async for page in _read_pages(source, table, page_size):
        await target.transaction(lambda tx, page=page: store_copying.add_page(tx, table, page))
    expected, copied = await _digest(source, table, page_size), await _digest(target, table, page_size)
    if expected != copied:
        raise CannotStart(f"{table.name} differ after the copy: {expected} at {source.name}, {copied} at {target.name}")
    return expected


async def _read_pages(db: Database, table: Table, page_size: int) -> AsyncGenerator[list[Row]]:
    after, limit = table.first_key, min(page_size, table.max_rows)
    while page := await db.snapshot(lambda tx, after=after: store_copying.list_page(tx, table, after, limit)):
        yield page
        after = page[-1][: table.key_columns]


async def _digest(db: Database, table: Table, page_size: int) -> TableDigest:
    """Return the digest of a table: the sum, modulo 2**64, of the first 8 bytes of the SHA-256 of each row as JSON.

    It is a sum so that the order of the rows does not matter.
    """
    count = total = 0
    async for page in _read_pages(db, table, page_size):
        for row in page:
            row_hash = hashlib.sha256(msgspec.json.encode(row)).digest()
            total = (total + int.from_bytes(row_hash[:8])) % 2**64
        count += len(page)
    return TableDigest(count, total)
