"""Puts a backup in the place of a SQLite database, while no service runs on it.

1. The backup is checked first: SQLite's own check of the file, and its foreign keys. A bad one changes nothing.
2. The database that is there is moved aside with its companions, since the newest commits are in its `-wal`.
3. The copy has another name until it is on the disk, so that a file with the database's name is always a whole one.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

from pathlib import Path
from typing import Any

import apsw

from chatkeep.db.backup import report_steps, sync
from chatkeep.db.private_file import make_private_file
from chatkeep.db.process_lock import ProcessLock
from chatkeep.db.sqlite_form import check_sqlite_file
from chatkeep.errors import CannotStart
from chatkeep.watch.progress import OnProgress, ignore_progress

COMPANIONS = ("", "-wal", "-shm")
"""The endings of the names of a database's files."""
COPY_BYTES = 4_000_000
"""Bytes that are copied between two reports of progress."""


def restore(backup: Path, database: Path, suffix: str, on_progress: OnProgress = ignore_progress) -> Path | None:
    """Put a copy of `backup` in the place of `database`, and return where the old one is now; None if there was none.

    `suffix` is added to the old one's name. Progress is in bytes copied, after the check.

    Raises:
        CannotStart: the backup is damaged, a service runs on the database, or a file cannot be written. Nothing has
            changed then.
    """
    check_file(backup, on_progress)
    aside = database.with_name(f"{database.name}.{suffix}")
    unfinished = database.with_name(f"{database.name}.unfinished")
    with ProcessLock(database) as lock:
        if not lock.try_exclusive():
            raise CannotStart(f"a service runs on {database}: stop it first")
        if aside.exists():
            raise CannotStart(f"{aside} exists already")
        try:
            unfinished.unlink(missing_ok=True)
            make_private_file(unfinished)
            _copy_bytes(backup, unfinished, on_progress)
            sync(unfinished)
            was_there = database.exists()
            for companion in COMPANIONS:
                if (path := database.with_name(database.name + companion)).exists():
                    path.rename(aside.with_name(aside.name + companion))
            unfinished.rename(database)
            sync(database.parent)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise CannotStart(f"cannot put {backup} in the place of {database}: {error}") from error
    return aside if was_there else None


def _copy_bytes(source: Path, target: Path, on_progress: OnProgress) -> None:
    size, done = source.stat().st_size, 0
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(COPY_BYTES):
            done += writing.write(piece)
            on_progress(done, size)


def check_file(path: Path, on_progress: OnProgress = ignore_progress) -> None:
    """Check that a file is a whole SQLite database. How long that takes is not known: progress is of 0.

    Raises:
        CannotStart: it is not there, is none, or is damaged; with the first fault.
    """
    if not path.is_file():
        raise CannotStart(f"there is no file {path}")
    check_sqlite_file(path)
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            report_steps(connection, lambda: on_progress(0, 0))
            ((found,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
            orphans: list[Any] = connection.execute("PRAGMA foreign_key_check").fetchall()
        finally:
            connection.close()
    except apsw.Error as error:
        raise CannotStart(f"{path} is damaged: {error}") from error
    if found != "ok":
        raise CannotStart(f"{path} is damaged: {found}")
    if orphans:
        raise CannotStart(f"{path} is damaged: {len(orphans)} rows belong to none, the first in {orphans[0][0]}")
