"""Files that only the service's own user may read: a machine can have others."""

import os
from contextlib import suppress
from pathlib import Path

PRIVATE_MODE = 0o600
"""Read and write, for the owner only."""


def make_private_file(path: Path) -> None:
    """Create an empty file that only its owner may read, whatever the umask. One that is there stays as it is.

    SQLite takes an empty file for a new database, and gives its companions (`-wal`, `-shm`) the same mode.

    Raises:
        OSError: it cannot be created.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, PRIVATE_MODE))
