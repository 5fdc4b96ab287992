"""The table `files`: a row for each file of an owner. Uses are in `message_files.py`, bytes in chunks or in a bucket.

    begun ──▶ complete ⇄ used by messages          `unused_since` is NULL while a message refers to it
      │           │
      └───────────┴──▶ dropped ──▶ gone            in small steps: `runs/file_sweeping.py`

1. A file that is begun or dropped has no media type. No read finds it.
2. Who refers to a file, or lets go of it, locks its row first. So the last of two that let go sees that it is the last,
   and a sweep never takes a file that a message has just come to need.
3. Rows are locked in the order of their ids, after the session's.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chatkeep import ids
from chatkeep.chat.types import File
from chatkeep.db import Row, Transaction, can_be_repeated
from chatkeep.errors import NotFound
from chatkeep.files.refusals import FileInUse

COLUMNS = "id, name, media_type, bytes, width, height, pages, created_at"
DROPPED_AT = "1970-01-01T00:00:00.000000Z"
"""Since when a dropped file counts as unused: a sweep takes it at once."""


class FileKey(NamedTuple):
    """By which the database finds a file."""

    owner: str
    file_id: str


async def begin_file(tx: Transaction, key: FileKey) -> None:
    """Add the row of a file whose bytes are about to come."""
    now = await tx.now()
    await tx.run(
        """INSERT INTO files (owner, id, bytes, name, created_at, unused_since) VALUES ($1, $2, 0, '', $3, $3)
           ON CONFLICT DO NOTHING""",
        *key,
        now,
    )


async def touch_begun(tx: Transaction, key: FileKey) -> None:
    """Give a file that is still coming its time again.

    Raises:
        NotFound: it has been swept.
    """
    row = await tx.one(
        """UPDATE files SET unused_since = $3
            WHERE owner = $1 AND id = $2 AND media_type IS NULL AND unused_since > $4 RETURNING id""",
        *key,
        await tx.now(),
        DROPPED_AT,
    )
    if row is None:
        raise NotFound(f"no file {key.file_id}")


async def complete_file(tx: Transaction, owner: str, file: File, sha256: str) -> File | None:
    """Make a file whose bytes are all there one that reads find; return it. None if it has been swept meanwhile.

    Raises:
        ValueRefused: the owner has a file with these bytes.
    """
    row = await tx.one(
        f"""UPDATE files
              SET sha256 = $3, name = $4, media_type = $5, bytes = $6, width = $7, height = $8, pages = $9,
                  unused_since = $10
            WHERE owner = $1 AND id = $2 AND media_type IS NULL AND unused_since > $11
        RETURNING {COLUMNS}""",
        owner,
        file.id,
        sha256,
        file.name,
        file.media_type,
        file.bytes,
        file.width,
        file.height,
        file.pages,
        await tx.now(),
        DROPPED_AT,
    )
    return File(*row) if row else None


async def find_by_hash(tx: Transaction, owner: str, sha256: str) -> File | None:
    """Return the owner's file with these bytes, and give an unused one its time again; None if there is none."""
    await tx.run(
        "UPDATE files SET unused_since = $3 WHERE owner = $1 AND sha256 = $2 AND unused_since IS NOT NULL",
        owner,
        sha256,
        await tx.now(),
    )
    row = await tx.one(f"SELECT {COLUMNS} FROM files WHERE owner = $1 AND sha256 = $2", owner, sha256)
    return File(*row) if row else None


async def get_file(tx: Transaction, owner: str, file_id: str) -> File:
    """Return the owner's file.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    row = await tx.one(
        f"SELECT {COLUMNS} FROM files WHERE owner = $1 AND id = $2 AND media_type IS NOT NULL", owner, file_id
    )
    if row is None:
        raise NotFound(f"no file {file_id}")
    return File(*row)


async def list_files(tx: Transaction, owner: str, limit: int, after: str | None, *, newest_first: bool) -> list[File]:
    """Return the owner's files in the order in which they were brought: at most `limit`, after the file `after`."""
    if newest_first:
        rows = await tx.all(
            f"""SELECT {COLUMNS} FROM files WHERE owner = $1 AND media_type IS NOT NULL AND id < $2
                ORDER BY id DESC LIMIT $3""",
            owner,
            after or ids.LARGEST,
            limit,
        )
    else:
        rows = await tx.all(
            f"""SELECT {COLUMNS} FROM files WHERE owner = $1 AND media_type IS NOT NULL AND id > $2
                ORDER BY id LIMIT $3""",
            owner,
            after or ids.SMALLEST,
            limit,
        )
    return [File(*row) for row in rows]


async def use_files(tx: Transaction, owner: str, file_ids: Iterable[str]) -> None:
    """Lock files of the owner that a message comes to refer to: from now on they are in use.

    Raises:
        NotFound: one is not there any more.
    """
    for file_id in sorted(set(file_ids)):
        row = await tx.one(
            """UPDATE files SET unused_since = NULL WHERE owner = $1 AND id = $2 AND media_type IS NOT NULL
            RETURNING id""",
            owner,
            file_id,
        )
        if row is None:
            raise NotFound(f"no file {file_id}")


async def lock_files(tx: Transaction, keys: Iterable[FileKey]) -> None:
    """Lock files until the transaction ends. The rows stay as they are."""
    for key in sorted(set(keys)):
        await tx.run("UPDATE files SET bytes = bytes WHERE owner = $1 AND id = $2", *key)


async def mark_unused(tx: Transaction, key: FileKey) -> None:
    """Store that no message refers to the file, as of now. A dropped one stays so."""
    await tx.run(
        "UPDATE files SET unused_since = $3 WHERE owner = $1 AND id = $2 AND unused_since IS NULL", *key, await tx.now()
    )


async def delete_file(tx: Transaction, owner: str, file_id: str) -> None:
    """Drop the owner's file.

    Raises:
        NotFound: there is none, or it belongs to another owner.
        FileInUse: a message refers to it.
    """
    tx.prove(can_be_repeated)
    await get_file(tx, owner, file_id)
    row = await tx.one(
        """UPDATE files SET sha256 = NULL, media_type = NULL, unused_since = $3
            WHERE owner = $1 AND id = $2 AND unused_since IS NOT NULL RETURNING id""",
        owner,
        file_id,
        DROPPED_AT,
    )
    if row is None:
        raise FileInUse("a message refers to this file")


async def drop_file(tx: Transaction, key: FileKey, unused_before: str) -> bool:
    """Drop a file that no message has referred to since before `unused_before`; return False if one does, or has."""
    tx.prove(can_be_repeated)
    row = await tx.one(
        """UPDATE files SET sha256 = NULL, media_type = NULL, unused_since = $4
            WHERE owner = $1 AND id = $2 AND unused_since < $3 RETURNING id""",
        *key,
        unused_before,
        DROPPED_AT,
    )
    return row is not None


async def drop_all(tx: Transaction, owner: str) -> int:
    """Drop all files of an owner, also those in use; return how many reads had found."""
    counted = await tx.all("SELECT id FROM files WHERE owner = $1 AND media_type IS NOT NULL", owner)
    await tx.run(
        "UPDATE files SET sha256 = NULL, media_type = NULL, unused_since = $2 WHERE owner = $1", owner, DROPPED_AT
    )
    return len(counted)


async def list_unused(tx: Transaction, unused_before: str, limit: int) -> list[FileKey]:
    """Return files that no message has referred to since before then, the longest unused first: at most `limit`."""
    rows: Sequence[Row] = await tx.all(
        "SELECT owner, id FROM files WHERE unused_since < $1 ORDER BY unused_since LIMIT $2", unused_before, limit
    )
    return [FileKey(owner, file_id) for owner, file_id in rows]


async def remove_row(tx: Transaction, key: FileKey) -> None:
    """Remove the row of a dropped file whose chunks are gone."""
    await tx.run("DELETE FROM files WHERE owner = $1 AND id = $2 AND media_type IS NULL", *key)


async def move_files(tx: Transaction, from_owner: str, to_owner: str) -> None:
    """Give all files of one owner to another, with their bytes. Of two with the same bytes both stay.

    They are added before their chunks are moved and the old rows removed: chunks and messages refer to them.
    """
    await tx.run(
        """UPDATE files SET sha256 = NULL
            WHERE owner = $1 AND sha256 IN (SELECT theirs.sha256 FROM files AS theirs WHERE theirs.owner = $2)""",
        from_owner,
        to_owner,
    )
    moved = await tx.all("SELECT id, sha256 FROM files WHERE owner = $1", from_owner)
    await tx.run("UPDATE files SET sha256 = NULL WHERE owner = $1", from_owner)
    await tx.many(
        f"""INSERT INTO files (owner, sha256, {COLUMNS}, unused_since)
            SELECT $2, CAST($3 AS TEXT), {COLUMNS}, unused_since FROM files WHERE owner = $1 AND id = $4""",
        [(from_owner, to_owner, sha256, file_id) for file_id, sha256 in moved],
    )
    await tx.run(
        """INSERT INTO file_chunks (owner, file_id, number, content)
           SELECT CAST($2 AS TEXT), file_id, number, content FROM file_chunks WHERE owner = $1""",
        from_owner,
        to_owner,
    )  # no UPDATE: where rows are distributed by owner, it cannot change
    await tx.run("DELETE FROM file_chunks WHERE owner = $1", from_owner)
    await tx.run("DELETE FROM files WHERE owner = $1", from_owner)
