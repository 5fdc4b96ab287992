"""Brings a database to this version's schema, by the numbered SQL files of `migrations/`.

1. Each engine has files of its own. They are applied in order, each once, and only forward.
2. A file that was applied is never changed: the database keeps its checksum.
3. A database with a migration that this version does not have is refused. So an old process never writes into a newer
   schema.
4. A migration may rewrite tables. A SQLite file is copied before, in the same transaction, so that no other process
   writes between the copy and the change.
5. Tables that may be large are moved page by page (`moving.py`), after the migration that makes the new ones, and
   before the one that drops the old ones. Between the two no version uses the database; the next start goes on.
6. Before a database with data is changed, the log has a line for each migration to come, and how long a million
   messages took. The line is the first sentence of the SQLite file.
"""

import hashlib
import logging
import re
from collections.abc import Collection, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import LiteralString, NamedTuple, Protocol, cast

from chatkeep.db import Database, Transaction, can_be_repeated
from chatkeep.db.moving import are_rows_moved, move_rows
from chatkeep.errors import CannotStart, StatementFailed, ValueRefused
from chatkeep.watch.progress import OnProgress, ignore_progress

_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>\w+)\.(?P<engine>\w+)\.sql")

_FIRST_SENTENCE = re.compile(r"-- (.*?\.)(?:\s|$)", re.DOTALL)
_TABLE = re.compile(r"CREATE TABLE (\w+)")
_UNRELEASED = "an unreleased version made it; go on with that version, or name another database"
_log = logging.getLogger("chatkeep")


class Migration(NamedTuple):
    """One file of `migrations/`. `purpose` is a sentence."""

    version: int
    name: str
    sql: str
    purpose: str = ""

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the SQL, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations(engine: str) -> list[Migration]:
    """Return this version's migrations for `engine` (`sqlite` or `postgres`), in order."""
    folder = resources.files("chatkeep.db").joinpath("migrations")
    migrations = [
        Migration(int(match["version"]), match["name"], file.read_text("utf-8"), _read_purpose(folder, match))
        for file in folder.iterdir()
        if (match := _NAME.fullmatch(file.name)) and match["engine"] == engine
    ]
    return sorted(migrations)


def _read_purpose(folder: Traversable, match: "re.Match[str]") -> str:
    sql = folder.joinpath(f"{match['version']}_{match['name']}.sqlite.sql").read_text("utf-8")
    found = _FIRST_SENTENCE.match(sql)
    return found[1].replace("\n-- ", " ") if found else ""


AFTER_MOVE = 7
"""The migration that drops the tables whose rows `moving.py` moves."""
MILLION_SECONDS: Mapping[str, Mapping[int, int]] = {
    "sqlite": {5: 3, 6: 2, 7: 325, 8: 1, 9: 5, 10: 3},
    "postgres": {5: 1, 6: 1, 7: 408, 9: 7},
}
"""Seconds that a migration took with a million messages, where it was half a second or more (docs/operate.md)."""


class SafetyCopy(Protocol):
    """A copy of the database from before its first change (`db/backup.py`)."""

    def make(self, version: int) -> None:
        """Make the copy, unless that is done. `version` is that of the first migration to come."""
        ...

    def keep(self) -> None:
        """Keep the copy from now on: a change of the database is committed."""
        ...


async def migrate(
    db: Database, migrations: list[Migration], copy: SafetyCopy | None = None, on_progress: OnProgress = ignore_progress
) -> list[Migration]:
    """Apply those of `migrations` that the database does not have yet, and return them.

    It is one transaction; two, and one for each page, where rows are moved. `copy` is made before a database that is
    not empty is changed. Progress is in pages that are moved.

    Raises:
        CannotStart: the database is newer or incomplete, a migration was changed after it was applied, or there is no
            copy.
    """
    applied: list[Migration] = []
    is_new = not await _has_migrations(db)
    if not is_new:
        await _announce(db, await list_missing(db, migrations))
    while True:
        try:
            done, has_more = await db.transaction(lambda tx: _apply(tx, db.name, migrations, copy))
        except (ValueRefused, StatementFailed):
            if not is_new or not await _has_migrations(db):
                raise
            is_new = False  # another process has made the tables in this moment
            continue
        applied += done
        if done and copy is not None:
            copy.keep()
        if not has_more:
            return applied
        await move_rows(db, on_progress=on_progress)


async def _announce(db: Database, missing: list[Migration]) -> None:
    """Log what will be done with the database."""
    if not missing:
        return
    messages = await db.snapshot(_count_messages)
    seconds = sum(MILLION_SECONDS[db.engine].get(each.version, 0) for each in missing)
    _log.warning(
        "%s gets a new schema: %d migrations, %d messages; a million took %d seconds when that was measured",
        *(db.name, len(missing), messages, seconds),
    )
    for each in missing:
        _log.warning("migration %04d_%s: %s", each.version, each.name, each.purpose)


async def _count_messages(tx: Transaction) -> int:
    if await tx.list_columns("old_messages"):  # the move was cut off
        row = await tx.one("SELECT COUNT(*) FROM old_messages")
    elif await tx.list_columns("messages"):
        row = await tx.one("SELECT COUNT(*) FROM messages")
    else:  # no database of ours, as in some tests
        row = None
    return row[0] if row is not None else 0


async def _has_migrations(db: Database) -> bool:
    return bool(await db.snapshot(lambda tx: tx.list_columns("schema_migrations")))


async def _apply(
    tx: Transaction, name: str, migrations: list[Migration], copy: SafetyCopy | None
) -> tuple[list[Migration], bool]:
    """Apply what is missing. The result's second part is True if rows have to be moved before the rest."""
    await tx.lock_schema()
    tx.prove(can_be_repeated)
    checksums = await _read_checksums(tx, name, migrations)
    missing = find_missing(checksums, migrations)
    is_moving = max(checksums, default=0) == AFTER_MOVE - 1
    if checksums and missing and not is_moving and copy is not None:
        copy.make(missing[0].version)
    for done, migration in enumerate(missing):
        if migration.version == AFTER_MOVE and not await are_rows_moved(tx):
            return missing[:done], True
        # The one cast of SQL that is no literal: it comes from files of this package.
        await tx.run(cast("LiteralString", migration.sql))
        await tx.run(
            "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
            migration.version,
            migration.name,
            migration.checksum,
            await tx.now(),
        )
    return missing, False


async def list_missing(db: Database, migrations: list[Migration]) -> list[Migration]:
    """Return those of `migrations` that the database does not have yet. It is not changed.

    Raises:
        CannotStart: as for `migrate`.
    """

    async def read(tx: Transaction) -> list[Migration]:
        columns = await tx.list_columns("schema_migrations")
        if not columns:
            await _check_empty(tx, db.name, migrations)
            return migrations
        _check_columns(columns, db.name)
        rows = await tx.all("SELECT version, checksum FROM schema_migrations")
        return find_missing({int(version): str(checksum) for version, checksum in rows}, migrations)

    return await db.snapshot(read)


async def _read_checksums(tx: Transaction, name: str, migrations: list[Migration]) -> dict[int, str]:
    """Return the checksums of the migrations that were applied, by version."""
    columns = await tx.list_columns("schema_migrations")
    if not columns:
        await _check_empty(tx, name, migrations)
        await tx.run(
            """CREATE TABLE schema_migrations
               (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)"""
        )
    else:
        _check_columns(columns, name)
    rows = await tx.all("SELECT version, checksum FROM schema_migrations ORDER BY version")
    return {int(version): str(checksum) for version, checksum in rows}


def _check_columns(columns: Collection[str], name: str) -> None:
    if not {"version", "checksum"} <= set(columns):
        raise CannotStart(f"{name}: the table schema_migrations is another program's; name another database")


async def _check_empty(tx: Transaction, name: str, migrations: list[Migration]) -> None:
    for table in _TABLE.findall(migrations[0].sql):
        if await tx.list_columns(table):
            raise CannotStart(
                f"{name} has a table {table}, but no record of chatkeep's migrations (schema_migrations):"
                " it is another program's, or incomplete; name another database, or restore a backup"
            )


def find_missing(checksums: Mapping[int, str], migrations: list[Migration]) -> list[Migration]:
    """Return those of `migrations` that are not among the applied ones, which have these `checksums` by version.

    Raises:
        CannotStart: an applied one is not among `migrations`, or was another text.
    """
    ours = {migration.version: migration for migration in migrations}
    unknown = sorted(checksums.keys() - ours.keys())
    if unknown and unknown[-1] > max(ours):
        raise CannotStart(
            f"the database is newer than this version of chatkeep: it has migration {unknown[-1]:04d}, this version"
            f" ends with {max(ours):04d}; install the version that it was used with, or restore a backup"
        )
    if unknown:
        raise CannotStart(f"the database has migration {unknown[-1]:04d}, which no release has: {_UNRELEASED}")
    for version, checksum in checksums.items():
        if ours[version].checksum != checksum:
            raise CannotStart(
                f"migration {version:04d}_{ours[version].name} was changed after it was applied: {_UNRELEASED}"
            )
    return [migration for migration in migrations if migration.version not in checksums]
