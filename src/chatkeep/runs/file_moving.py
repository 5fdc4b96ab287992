"""Moves the bytes of files between the database and a bucket, file by file: `chatkeep move-files`.

1. A file's bytes are all at the new place before they go from the old one. So a move that was cut off goes on when it
   is begun again, and loses nothing.
2. Into the bucket, the service may run: it reads from the database until the bytes are gone there.
3. Into the database, the first piece comes last: with it, reads find the others (`bucket_bytes.py`).
"""

from collections.abc import AsyncGenerator, AsyncIterable

from chatkeep.db import Database
from chatkeep.errors import NotFound
from chatkeep.files.bucket import Bucket
from chatkeep.runs.bucket_bytes import PIECE_BYTES, BucketBytes, object_name
from chatkeep.runs.file_bytes import DatabaseBytes, Pieces
from chatkeep.store import examination
from chatkeep.store import file_chunks as store_chunks
from chatkeep.store.examination import StoredFile
from chatkeep.store.file_chunks import CHUNK_BYTES
from chatkeep.store.files import FileKey


async def move_to_bucket(db: Database, bucket: Bucket) -> AsyncGenerator[StoredFile]:
    """Move the bytes of every file that has them in the database; yield each file that was moved.

    Raises:
        BucketFailed: the bucket cannot be used.
    """
    in_database = DatabaseBytes(db)
    async for file in _list_complete(db):
        if file.in_database == file.bytes:
            number = 0
            async for piece in _cut(await in_database.open(file.key), PIECE_BYTES):
                await bucket.put(object_name(file.key, number), piece)
                number += 1
            try:
                await db.transaction(lambda tx, key=file.key: store_chunks.remove_bytes(tx, key))
            except NotFound:
                await bucket.delete_folder(file.key.file_id)
                continue
            yield file


async def move_to_database(db: Database, bucket: Bucket) -> AsyncGenerator[StoredFile]:
    """Move the bytes of every file that has them in the bucket; yield each file that was moved.

    Raises:
        BucketFailed, FilesUnavailable: the bucket cannot be used.
        NotFound: bytes of a file are in neither.
    """
    in_database, in_bucket = DatabaseBytes(db), BucketBytes(db, bucket)
    async for file in _list_complete(db):
        if file.in_database != file.bytes:
            first, number, size = b"", 0, 0
            async for piece in _cut(await in_bucket.open(file.key), CHUNK_BYTES):
                first = first or piece
                if number:
                    await in_database.add(file.key, number, piece)
                number, size = number + 1, size + len(piece)
            if size != file.bytes:
                raise NotFound(f"file {file.key.file_id} has {size} of its {file.bytes} bytes in {bucket.name}")
            await in_database.add(file.key, 0, first)
            yield file
        await bucket.delete_folder(file.key.file_id)


async def _list_complete(db: Database) -> AsyncGenerator[StoredFile]:
    async for file in list_all(db):
        if file.is_complete:
            yield file


async def list_all(db: Database) -> AsyncGenerator[StoredFile]:
    """Yield the files of all owners, also those that no read finds."""
    after: FileKey = examination.FIRST_FILE
    while page := await db.snapshot(lambda tx, after=after: examination.list_files(tx, after)):
        for file in page:
            yield file
        after = page[-1].key


async def _cut(pieces: Pieces, size: int) -> AsyncIterable[bytes]:
    """Yield the bytes of `pieces` as pieces of another size."""
    rest, number = bytearray(), 0
    while (piece := await pieces.find(number)) is not None:
        rest += piece
        number += 1
        while len(rest) >= size:
            yield bytes(rest[:size])
            del rest[:size]
    if rest:
        yield bytes(rest)
