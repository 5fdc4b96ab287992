"""Shows if other processes use a SQLite file: a lock that they all share, and that the kernel releases when one dies.

A process that gets the lock exclusively is alone. Runs in progress were then left by processes that have died, and can
be ended at once.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from chatkeep.db.private_file import PRIVATE_MODE
from chatkeep.errors import CannotStart


class ProcessLock:
    """A lock (flock) on the file `<database>.live`. A context manager, which releases it at the end."""

    def __init__(self, database: Path) -> None:
        """Open the file, or create it, without taking the lock.

        Raises:
            CannotStart: it cannot be opened.
        """
        try:
            self._file = os.open(f"{database}.live", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE)
        except OSError as error:
            raise CannotStart(f"cannot open the database {database}: {error.strerror}") from error

    def try_exclusive(self) -> bool:
        """Take the lock exclusively, until `share` is called. Return False if another process holds it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def share(self) -> None:
        """Share the lock from now on. Waits while another process holds it exclusively."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.release()

    def release(self) -> None:
        """Release the lock."""
        os.close(self._file)
