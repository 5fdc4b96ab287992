"""Bytes of files in a bucket: each piece is an object, `FILE_ID/NUMBER` below the prefix of CHATKEEP_FILES_URL.

1. A file's id is random, so no name tells what is in it, or whose it is; and a file of a user who becomes another one
   keeps its objects. Equal bytes of two owners are two files, and so are different objects.
2. A request that has begun comes to its end (`files/bucket.py`): no object appears after its file was removed.
3. Before each piece the file's row is made or touched. So a sweep never takes a file that is still coming, and finds
   what a dead process has left, after CHATKEEP_FILES_GRACE.
4. Files that were stored before CHATKEEP_FILES_URL was set stay in the database. They are read from there.
"""

import logging
from collections.abc import Coroutine
from typing import TypeVar

from chatkeep.db import Database
from chatkeep.files.bucket import Bucket, BucketFailed
from chatkeep.files.refusals import FilesUnavailable
from chatkeep.runs.file_bytes import DatabaseBytes, FileBytes, Pieces
from chatkeep.settings import Settings
from chatkeep.store import file_chunks as store_chunks
from chatkeep.store.files import FileKey, begin_file, touch_begun

PIECE_BYTES = 1_048_576
"""The size of a piece. It may never change: what is stored is read with it."""
T = TypeVar("T")
_log = logging.getLogger("chatkeep")


class BucketBytes:
    """Bytes in a bucket. Its methods raise FilesUnavailable, and log why."""

    piece_bytes = PIECE_BYTES

    def __init__(self, db: Database, bucket: Bucket) -> None:
        self._db = db
        self._bucket = bucket
        self._in_database = DatabaseBytes(db)

    async def add(self, key: FileKey, number: int, content: bytes) -> None:
        """Begin the file or touch its row, then store the piece.

        Raises:
            NotFound: the file has been swept.
        """
        await self._db.transaction(lambda tx: (begin_file if number == 0 else touch_begun)(tx, key))
        await self._ask(self._bucket.put(object_name(key, number), content))

    async def open(self, key: FileKey) -> Pieces:
        """Return the pieces of a file, wherever they are."""
        if await self._db.snapshot(lambda tx: store_chunks.has_chunks(tx, key)):
            return await self._in_database.open(key)

        async def find(number: int) -> bytes | None:
            return await self._ask(self._bucket.find(object_name(key, number)))

        return Pieces(PIECE_BYTES, find)

    async def remove(self, key: FileKey) -> None:
        """Remove the objects, then what is in the database."""
        await self._ask(self._bucket.delete_folder(key.file_id))
        await self._in_database.remove(key)

    async def _ask(self, request: Coroutine[None, None, T]) -> T:
        try:
            return await request
        except BucketFailed as failure:
            _log.error("the bucket %s failed: %s", self._bucket.name, failure)
            raise FilesUnavailable("the store of files cannot be used for now; repeat the request later") from failure


def connect_bucket(settings: Settings) -> Bucket | None:
    """Return the bucket that CHATKEEP_FILES_URL names; None if it is unset. No request is made.

    Raises:
        CannotStart: it cannot be used as it is set.
    """
    if settings.files_url is None:
        return None
    secret = settings.aws_secret_access_key
    return Bucket(settings.files_url, settings.aws_access_key_id, secret.get_secret_value() if secret else None)


def find_file_bytes(settings: Settings, db: Database) -> FileBytes:
    """Return where the bytes of files lie, by the settings.

    Raises:
        CannotStart: the bucket cannot be used as it is set.
    """
    bucket = connect_bucket(settings)
    return DatabaseBytes(db) if bucket is None else BucketBytes(db, bucket)


def object_name(key: FileKey, number: int) -> str:
    """Return the name of the object that is a piece of a file."""
    return f"{key.file_id}/{number:06d}"
