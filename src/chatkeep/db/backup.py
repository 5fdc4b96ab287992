"""Copies a SQLite database while it is in use.

`VACUUM INTO` writes the state of one moment. The copy has another name until it is complete and on the disk, so that a
file with the name of a backup is always a whole one.
"""

# pyright: reportUnknownMemberType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import logging
import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import apsw

from chatkeep.db.private_file import make_private_file
from chatkeep.errors import CannotStart
from chatkeep.watch.progress import OnProgress, ignore_progress

STEPS_OF_REPORT = 100_000
"""Steps of SQLite's virtual machine between two reports of progress: some tens of milliseconds."""

_BACKUP_NAME = re.compile(r"chatkeep-\d{8}T\d{12}Z\.db")
_log = logging.getLogger("chatkeep")


def back_up(source: Path, target: Path, on_progress: OnProgress = ignore_progress) -> None:
    """Copy the database `source` to the new file `target`. Writers do not wait for it. Progress is in bytes.

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
            size = source.stat().st_size
            report_steps(connection, lambda: on_progress(unfinished.stat().st_size, size))
            connection.execute("VACUUM INTO ?", (str(unfinished),))
        finally:
            connection.close()
        sync(unfinished)
        unfinished.rename(target)
        sync(target.parent)
    except (apsw.Error, OSError) as error:
        unfinished.unlink(missing_ok=True)
        raise CannotStart(f"cannot copy {source} to {target}: {error}") from error


def report_steps(connection: apsw.Connection, report: Callable[[], None]) -> None:
    """Have the connection call `report` now and then, while it runs statements."""

    def handle() -> bool:
        report()
        return False  # True would stop the statement

    connection.set_progress_handler(handle, STEPS_OF_REPORT)


def name_backup(time: datetime) -> str:
    """Return the name of a backup made at `time`. Such names sort by time."""
    return f"chatkeep-{time:%Y%m%dT%H%M%S%fZ}.db"


def list_backups(folder: Path) -> list[Path]:
    """Return the backups in `folder` that have such names, oldest first. Other files are left out."""
    return sorted(path for path in folder.iterdir() if _BACKUP_NAME.fullmatch(path.name))


class SafetyCopy:
    """The copy of a database that is made before a migration changes it: `NAME.before-0005`."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._copy: Path | None = None
        self._is_kept = False

    def make(self, version: int) -> None:
        """Make the copy, unless that is done. `version` is the migration's.

        Raises:
            CannotStart: it cannot be made. A copy of an earlier time is not overwritten.
        """
        if self._copy is not None:
            return
        copy = self._database.with_name(f"{self._database.name}.before-{version:04d}")
        try:
            back_up(self._database, copy)
        except CannotStart as error:
            raise CannotStart(
                f"the database needs migration {version:04d}, and a copy before it, and was left as it is: {error};"
                " make room, or move an earlier copy away"
            ) from error
        self._copy = copy

    def keep(self) -> None:
        """Keep the copy from now on: a change of the database is committed."""
        self._is_kept = True

    def announce(self) -> None:
        """Log the copy's name, if it was made: the migration has taken place."""
        if self._copy is not None:
            _log.warning("%s has a new schema; %s is a copy from before", self._database, self._copy)

    def discard(self) -> None:
        """Delete the copy, if it was made, unless it is kept: the migration has failed, and changed nothing."""
        if self._copy is not None and not self._is_kept:
            self._copy.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the kernel write a file, or the entries of a folder, to the disk (fsync)."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
