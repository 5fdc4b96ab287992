"""Who else has the SQLite file open? A lock that every process shares, and that the kernel drops when one dies."""

import fcntl
import os
from pathlib import Path
from typing import Self

from chatkeep.errors import CannotStart


class ProcessLock:
    """A lock on `<database>.live`. Whoever gets it for itself alone knows that no other process carries runs."""

    def __init__(self, database: Path) -> None:
        try:
            self._file = os.open(f"{database}.live", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CannotStart(f"cannot open the database {database}: {error.strerror}") from error

    def try_exclusive(self) -> bool:
        """Take the lock: True when no other process holds it. Keep it alone until `share` is called."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def share(self) -> None:
        """Hold it together with others from now on; waits for one that is still alone with it."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go of it."""
        os.close(self._file)
