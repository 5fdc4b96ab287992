"""The table `file_chunks`: the bytes of files, in pieces that a transaction writes and a reader holds one at a time."""

from chatkeep.db import Transaction, can_be_repeated
from chatkeep.store.files import FileKey, begin_file, get_file, lock_files, remove_row

CHUNK_BYTES = 262_144
"""The size of each chunk but the last, which may be shorter."""
PAGE_CHUNKS = 16
"""The most chunks that one transaction removes."""


async def add_chunk(tx: Transaction, key: FileKey, number: int, content: bytes) -> None:
    """Add the next chunk of a file; with the first one (0), begin the file."""
    tx.prove(can_be_repeated)
    if number == 0:
        await begin_file(tx, key)
    await tx.run(
        "INSERT INTO file_chunks (owner, file_id, number, content) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        *key,
        number,
        content,
    )


async def find_chunk(tx: Transaction, key: FileKey, number: int) -> bytes | None:
    """Return a chunk of a file; None beyond its end, or if the file is gone."""
    row = await tx.one(
        "SELECT content FROM file_chunks WHERE owner = $1 AND file_id = $2 AND number = $3", *key, number
    )
    return row[0] if row else None


async def has_chunks(tx: Transaction, key: FileKey) -> bool:
    """Return True if the file's bytes are in the database."""
    row = await tx.one("SELECT number FROM file_chunks WHERE owner = $1 AND file_id = $2 AND number = 0", *key)
    return row is not None


async def remove_chunks(tx: Transaction, key: FileKey) -> bool:
    """Remove the last chunks of a dropped file, and with the first one the file. Return False if it is gone."""
    tx.prove(can_be_repeated)
    rows = await tx.all(
        "SELECT number FROM file_chunks WHERE owner = $1 AND file_id = $2 ORDER BY number DESC LIMIT $3",
        *key,
        PAGE_CHUNKS,
    )
    if rows:
        await tx.run("DELETE FROM file_chunks WHERE owner = $1 AND file_id = $2 AND number >= $3", *key, rows[-1][0])
    if len(rows) == PAGE_CHUNKS:
        return True
    await remove_row(tx, key)
    return False


async def remove_bytes(tx: Transaction, key: FileKey) -> None:
    """Remove the bytes of a file that has them elsewhere, too. The file stays.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    tx.prove(can_be_repeated)
    await lock_files(tx, [key])
    await get_file(tx, *key)
    await tx.run("DELETE FROM file_chunks WHERE owner = $1 AND file_id = $2", *key)
