"""`chatkeep copy FROM TO`: everything, from one database to another, of whichever engines; then compared.

Page by page, each in a transaction of its own: a copy that was cut off is gone on with by `--resume`. What says that
it is done is the comparison: the same number of rows in each table, and the same digest over all of them.
"""

import hashlib
from collections.abc import AsyncGenerator
from typing import NamedTuple

import msgspec

from chatkeep.db import Database, Row
from chatkeep.db.notifier import Notifier
from chatkeep.db.open import join_processes
from chatkeep.errors import CannotStart
from chatkeep.runs.startup import open_database
from chatkeep.settings import Settings
from chatkeep.store import copying as store_copying
from chatkeep.store import leases as store_leases
from chatkeep.store.copying import Table


class Sum(NamedTuple):
    """How many rows a table has, and a digest of them, whatever their order."""

    rows: int
    digest: int

    def __str__(self) -> str:
        return f"rows {self.rows:>12,}   digest {self.digest:016x}"


async def copy(source: Settings, target: Settings, *, resume: bool) -> dict[str, Sum]:
    """Copy the database of `source` to that of `target`, which is empty, or was half filled before; what was copied.

    Raises:
        CannotStart: one of them cannot be used, the service still runs on the source, or the two are not the same.
    """
    path = source.database_path()
    if path is not None and not path.is_file():  # nothing else runs here
        raise CannotStart(f"there is no database {path}")
    async with join_processes(source, Notifier()) as presence:
        if path is not None and not presence.alone:
            raise CannotStart(f"a service runs on {path}: stop it first")
        return await _copied(source, target, resume=resume)


async def _copied(source: Settings, target: Settings, *, resume: bool) -> dict[str, Sum]:
    here = await open_database(source)
    try:
        there = await open_database(target)
        try:
            await _check(here, there, resume=resume)
            return {table.name: await _copy(here, there, table) for table in store_copying.TABLES}
        finally:
            await there.close()
    finally:
        await here.close()


async def _check(here: Database, there: Database, *, resume: bool) -> None:
    if await here.snapshot(store_leases.list_leased):
        raise CannotStart(f"runs are in progress on {here.name}: stop the service, and let it end them")
    if not resume and not await there.snapshot(store_copying.is_empty):
        raise CannotStart(f"{there.name} is not empty; a copy that was cut off is gone on with by --resume")


async def _copy(here: Database, there: Database, table: Table) -> Sum:
    async for page in _pages(here, table):
        await there.transaction(lambda tx, page=page: store_copying.add_page(tx, table, page))
    ours, theirs = await _sum(here, table), await _sum(there, table)
    if ours != theirs:
        raise CannotStart(f"{table.name} differ after the copy: {ours} at {here.name}, {theirs} at {there.name}")
    return ours


async def _pages(db: Database, table: Table) -> AsyncGenerator[list[Row]]:
    after = table.first
    while page := await db.snapshot(lambda tx, after=after: store_copying.list_page(tx, table, after)):
        yield page
        after = page[-1][: table.key]


async def _sum(db: Database, table: Table) -> Sum:
    count = total = 0
    async for page in _pages(db, table):
        for row in page:
            digest = hashlib.sha256(msgspec.json.encode(row)).digest()
            total = (total + int.from_bytes(digest[:8])) % 2**64
        count += len(page)
    return Sum(count, total)
