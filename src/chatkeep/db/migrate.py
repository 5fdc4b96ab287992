"""Brings a database to this version's schema, by the numbered SQL files of `migrations/`.

1. Each engine has files of its own. They are applied in order, each once, and only forward.
2. A file that was applied is never changed: the database keeps its checksum.
3. A database with a migration that this version does not have is refused. So an old process never writes into a newer
   schema.
"""

import hashlib
import re
from importlib import resources
from typing import LiteralString, NamedTuple, cast

from chatkeep.db import Database, Transaction
from chatkeep.errors import CannotStart

_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>\w+)\.(?P<engine>\w+)\.sql")


class Migration(NamedTuple):
    """One file of `migrations/`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the SQL, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations(engine: str) -> list[Migration]:
    """Return this version's migrations for `engine` (`sqlite` or `postgres`), in order."""
    migrations = [
        Migration(int(match["version"]), match["name"], file.read_text("utf-8"))
        for file in resources.files("chatkeep.db").joinpath("migrations").iterdir()
        if (match := _NAME.fullmatch(file.name)) and match["engine"] == engine
    ]
    return sorted(migrations)


async def migrate(db: Database, migrations: list[Migration]) -> list[Migration]:
    """Apply those of `migrations` that the database does not have yet, in one transaction, and return them.

    Raises:
        CannotStart: the database is newer, or a migration was changed after it was applied.
    """

    async def apply(tx: Transaction) -> list[Migration]:
        await tx.lock_schema()
        checksums = await _read_checksums(tx)
        missing = _find_missing(checksums, migrations)
        for migration in missing:
            # The one cast of SQL that is no literal: it comes from files of this package.
            await tx.run(cast("LiteralString", migration.sql))
            await tx.run(
                "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
                migration.version,
                migration.name,
                migration.checksum,
                await tx.now(),
            )
        return missing

    return await db.transaction(apply)


async def _read_checksums(tx: Transaction) -> dict[int, str]:
    """Return the checksums of the migrations that were applied, by version."""
    await tx.run(
        """CREATE TABLE IF NOT EXISTS schema_migrations
           (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)"""
    )
    rows = await tx.all("SELECT version, checksum FROM schema_migrations ORDER BY version")
    return {int(version): str(checksum) for version, checksum in rows}


def _find_missing(checksums: dict[int, str], migrations: list[Migration]) -> list[Migration]:
    ours = {migration.version: migration for migration in migrations}
    if newer := sorted(checksums.keys() - ours.keys()):
        raise CannotStart(
            f"the database is newer than this version of chatkeep: it has migration {newer[-1]:04d},"
            f" this version ends with {max(ours):04d}"
        )
    for version, checksum in checksums.items():
        if ours[version].checksum != checksum:
            raise CannotStart(f"migration {version:04d}_{ours[version].name} was changed after it was applied")
    return [migration for migration in migrations if migration.version not in checksums]
