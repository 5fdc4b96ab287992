"""Copies a SQLite database while it is in use.

`VACUUM INTO` writes the state of one moment. The copy has another name until it is complete and on the disk, so that a
file with the name of a backup is always a whole one.
"""

# pyright: reportUnknownMemberType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import os
from pathlib import Path

import apsw

from chatkeep.db.private_file import make_private_file
from chatkeep.errors import CannotStart


def back_up(source: Path, target: Path) -> None:
    """Copy the database `source` to the new file `target`. Writers do not wait for it.

    Raises:
        CannotStart: there is no such database, it cannot be read, or `target` exists or cannot be written.
    """
    if target.exists():
        raise CannotStart(f"{target} exists already")
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        make_private_file(unfinished)
        connection = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.execute("VACUUM INTO ?", (str(unfinished),))
        finally:
            connection.close()
        _sync(unfinished)
        unfinished.rename(target)
        _sync(target.parent)
    except (apsw.Error, OSError) as error:
        unfinished.unlink(missing_ok=True)
        raise CannotStart(f"cannot copy {source} to {target}: {error}") from error


def _sync(path: Path) -> None:
    """Have the kernel write a file, or a folder's entries, to the disk (fsync)."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
