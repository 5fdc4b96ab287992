"""Looks at a SQLite file before it is opened for good, which changes its header: is it a database of this version?"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

from pathlib import Path
from typing import Any

import apsw

from chatkeep.db.migrate import find_missing, load_migrations
from chatkeep.errors import CannotStart

BUSY_TIMEOUT_MS = 5_000
"""Milliseconds for which a lock of another process is waited for."""


def check_sqlite_file(path: Path) -> None:
    """Check that the file is chatkeep's and not newer, empty, or not there. It is not changed.

    Raises:
        CannotStart: it is none of these, or cannot be read.
    """
    if not path.exists():
        return
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(BUSY_TIMEOUT_MS)
            _check(path, connection)
        finally:
            connection.close()
    except apsw.NotADBError as error:
        raise CannotStart(f"cannot open the database {path}: it is no SQLite file; name another one") from error
    except apsw.Error as error:
        raise CannotStart(f"cannot open the database {path}: {error}") from error


def _check(path: Path, connection: apsw.Connection) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")}
    if not tables:
        return
    columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('schema_migrations')")}
    if not {"version", "checksum"} <= columns:
        raise CannotStart(
            f"{path} has tables, but no record of chatkeep's migrations (schema_migrations):"
            " it is another program's, or incomplete; name another file, or restore a backup"
        )
    rows: list[Any] = connection.execute("SELECT version, checksum FROM schema_migrations").fetchall()
    find_missing(dict(rows), load_migrations("sqlite"))
