"""Notices that a file of an open SQLite database was deleted or replaced.

A program may go on writing to a file that has no name any more, and SQLite does: every commit succeeds, and all of it
is lost when the file is closed (sqlite.org/howtocorrupt.html, "Unlinking or renaming a database file while in use").
The same goes for the write-ahead log, which has the newest commits, and for the index to it, which other processes use.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from chatkeep.errors import StorageFailed

LOOK_SECONDS = 1.0
"""Seconds between two looks. A look before each commit would cost 30 µs: three system calls, each without the GIL."""

_log = logging.getLogger("chatkeep")
_Identity: TypeAlias = tuple[int, int] | None
"""A file's device and inode; None if there is none of that name."""


class OpenFiles:
    """The database at a path and its companions, as they were when they were opened."""

    def __init__(self, path: Path) -> None:
        """Note the files. All three have to be there: SQLite makes the companions with the first read."""
        self._paths = [path, Path(f"{path}-wal"), Path(f"{path}-shm")]
        self._identities = self._read()
        self._is_reported = False
        self._look_at = time.monotonic()  # the next time

    def check(self) -> None:
        """Check that the names led to the files that are open, up to `LOOK_SECONDS` ago.

        Raises:
            StorageFailed: one does not.
        """
        if time.monotonic() >= self._look_at:
            self._look()

    def _look(self) -> None:
        now = self._read()
        if now == self._identities:
            self._is_reported = False
            self._look_at = time.monotonic() + LOOK_SECONDS
            return
        path = next(path for path, *both in zip(self._paths, now, self._identities, strict=True) if both[0] != both[1])
        failure = f"{path} was deleted or replaced while it was open"
        if not self._is_reported:
            _log.error("%s: nothing more is stored until it is back, or the service is started again", failure)
            self._is_reported = True
        raise StorageFailed(failure)

    def check_database(self) -> None:
        """Check the database's own file at once. Its companions are gone when the last connection was closed.

        Raises:
            StorageFailed: it was deleted or replaced.
        """
        if _identify(self._paths[0]) != self._identities[0]:
            self._look()

    def note_companions(self) -> None:
        """Note the companions anew, after the database was closed and opened again."""
        self._identities = [self._identities[0], *self._read()[1:]]

    def _read(self) -> Sequence[_Identity]:
        return [_identify(path) for path in self._paths]


def _identify(path: Path) -> _Identity:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
