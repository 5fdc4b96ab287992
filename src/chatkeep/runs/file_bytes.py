"""Where the bytes of files lie: in the database, or in a bucket (`bucket_bytes.py`) if CHATKEEP_FILES_URL names one.

1. Bytes lie in pieces of one size; a file's last piece may be shorter. Who writes or reads has one in memory.
2. A file's row is there before its first piece, and goes after its last one. So no bytes are ever without a row that
   a sweep finds, whenever a process dies.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from chatkeep.db import Database
from chatkeep.store import file_chunks as store_chunks
from chatkeep.store.file_chunks import CHUNK_BYTES
from chatkeep.store.files import FileKey


class Pieces(NamedTuple):
    """The pieces of a file: their size in bytes, and a function that returns one by its number; None if it is gone."""

    size: int
    find: Callable[[int], Awaitable[bytes | None]]


class FileBytes(Protocol):
    """The bytes of all files. `piece_bytes` is the size of the pieces of a new one."""

    piece_bytes: int

    async def add(self, key: FileKey, number: int, content: bytes) -> None:
        """Store the next piece of a file; with the first one (0), begin the file."""
        ...

    async def open(self, key: FileKey) -> Pieces:
        """Return the pieces of a file."""
        ...

    async def remove(self, key: FileKey) -> None:
        """Remove all pieces of a dropped file, and then the file."""
        ...


class DatabaseBytes:
    """Bytes in the database, as chunks."""

    piece_bytes = CHUNK_BYTES

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, key: FileKey, number: int, content: bytes) -> None:
        """Store the next piece, and begin the file in the same transaction."""
        await self._db.transaction(lambda tx: store_chunks.add_chunk(tx, key, number, content))

    async def open(self, key: FileKey) -> Pieces:
        """Return the pieces; nothing is asked of the database yet."""

        async def find(number: int) -> bytes | None:
            return await self._db.snapshot(lambda tx: store_chunks.find_chunk(tx, key, number))

        return Pieces(CHUNK_BYTES, find)

    async def remove(self, key: FileKey) -> None:
        """Remove the pieces in small transactions, the last ones first."""
        while await self._db.transaction(lambda tx: store_chunks.remove_chunks(tx, key)):
            pass
