"""Files of users: they come, are stored and are read back piece by piece.

1. While a file comes, its pieces are stored as those of a file that no read finds. The last transaction makes it one.
   A process that dies in between leaves pieces that are swept later, and nothing else.
2. At no time is more than a piece of it in memory, unless it is a picture or a PDF, which another process reads.
3. Where the pieces lie is known to `file_bytes.py` alone.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Sequence
from typing import NamedTuple

from chatkeep import clock, ids
from chatkeep.chat.types import File
from chatkeep.db import Transaction, can_be_repeated
from chatkeep.errors import BodyTooLarge, InvalidRequest, NotFound, ValueRefused
from chatkeep.files.media_types import PDF, PICTURES, MediaTypeFinder, is_picture
from chatkeep.files.names import clean_name
from chatkeep.runs.file_sweeping import SWEEP_TOPIC
from chatkeep.runs.runtime import Runtime
from chatkeep.store import files as store_files
from chatkeep.store.files import FileKey

_MICROSECOND = 1e-6


class ReceivedFile(NamedTuple):
    """A file, False if the owner had it already, and the time when it was stored or found."""

    file: File
    is_new: bool
    at: str


class IncomingFile(NamedTuple):
    """The file that a request brings. `declared` is the media type that the client says, or empty."""

    name: str
    declared: str


async def receive_file(
    runtime: Runtime, owner: str, pieces: AsyncIterable[bytes], incoming: IncomingFile, file_id: str | None = None
) -> ReceivedFile:
    """Store the bytes of `pieces` as a file of the owner, and return it; or the one that has these bytes already.

    `file_id` is for a file that had it elsewhere: an id that no file of the owner has.

    Raises:
        BodyTooLarge: it has more than CHATKEEP_MAX_FILE_BYTES.
        InvalidRequest: it is empty, or something else than what the client says.
        FilesUnavailable: its bytes cannot be stored for now.
    """
    key = FileKey(owner, file_id or ids.new())
    upload = _Upload(runtime, key)
    try:
        await upload.store(pieces)
        file = await upload.describe(incoming)
        received = await _complete(runtime, owner, file, upload.sha256)
    except BaseException:
        if upload.pieces:
            await asyncio.shield(asyncio.ensure_future(_drop(runtime, key)))
        raise
    if not received.is_new:
        await _drop(runtime, key)
    return received


async def find_known(runtime: Runtime, owner: str, hashes: Collection[str]) -> dict[str, File]:
    """Return the files that the owner has already, by the hashes of their bytes (SHA-256, in hexadecimal)."""

    async def read(tx: Transaction) -> dict[str, File]:
        tx.prove(can_be_repeated)
        found = {sha256: await store_files.find_by_hash(tx, owner, sha256) for sha256 in sorted(hashes)}
        return {sha256: file for sha256, file in found.items() if file is not None}

    return await runtime.db.transaction(read)


async def read_pieces(runtime: Runtime, key: FileKey, begin: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
    """Yield the bytes of a file from `begin` up to, not including, `end`, piece by piece.

    Raises:
        NotFound: the file is gone.
        FilesUnavailable: its bytes cannot be read for now.
    """
    pieces = await runtime.file_bytes.open(key)
    position = begin
    while end is None or position < end:
        number, offset = divmod(position, pieces.size)
        whole = await pieces.find(number)
        if whole is None:
            if end is None:
                return
            raise NotFound(f"no file {key.file_id}")
        piece = whole[offset : None if end is None else offset + end - position]
        yield piece
        position += len(piece)
        if len(whole) < pieces.size:
            return


async def start_reading(
    runtime: Runtime, key: FileKey, begin: int = 0, end: int | None = None
) -> AsyncGenerator[bytes]:
    """Read the first piece, and return all of them as `read_pieces` does. So a fault is known before an answer begins.

    Raises:
        NotFound: the file is gone.
        FilesUnavailable: its bytes cannot be read for now.
    """
    rest = read_pieces(runtime, key, begin, end)
    first = await anext(rest, b"")

    async def read() -> AsyncGenerator[bytes]:
        yield first
        async for piece in rest:
            yield piece

    return read()


async def read_all(runtime: Runtime, key: FileKey) -> bytes:
    """Return all bytes of a file; those that are left, if it is being removed."""
    return b"".join([piece async for piece in read_pieces(runtime, key)])


async def delete_file(runtime: Runtime, key: FileKey) -> None:
    """Delete an owner's file.

    Raises:
        NotFound: there is none.
        FileInUse: a message refers to it.
    """
    await runtime.db.transaction(lambda tx: store_files.delete_file(tx, *key))
    runtime.notifier.notify(SWEEP_TOPIC)


class _Upload:
    """A file that is coming. `pieces` is how many are stored, `size` counts its bytes."""

    def __init__(self, runtime: Runtime, key: FileKey) -> None:
        self._runtime = runtime
        self._key = key
        self._finder = MediaTypeFinder()
        self._hash = hashlib.sha256()
        self.pieces = 0
        self.size = 0

    @property
    def sha256(self) -> str:
        """The hash of all bytes so far, in hexadecimal."""
        return self._hash.hexdigest()

    async def store(self, pieces: AsyncIterable[bytes]) -> None:
        """Store what comes, as pieces of one size."""
        rest = bytearray()
        limit, piece_bytes = self._runtime.settings.max_file_bytes, self._runtime.file_bytes.piece_bytes
        async for piece in pieces:
            self.size += len(piece)
            if self.size > limit:
                raise BodyTooLarge(f"a file may have {limit} bytes")
            self._hash.update(piece)
            self._finder.feed(piece)
            rest += piece
            while len(rest) >= piece_bytes:
                await self._add(bytes(rest[:piece_bytes]))
                del rest[:piece_bytes]
        if not self.size:
            raise InvalidRequest("the file is empty")
        if rest:
            await self._add(bytes(rest))

    async def describe(self, incoming: IncomingFile) -> File:
        """Return the file with its media type, and with its size or pages if it is a picture or a PDF."""
        name = clean_name(incoming.name)
        media_type, found = await self._runtime.file_reader.inspect(
            self._finder.find(name, incoming.declared), lambda: read_all(self._runtime, self._key)
        )
        _check_declared(incoming.declared, media_type)
        size = (found.width, found.height, found.pages)
        return File(self._key.file_id, name, media_type, self.size, *size, created_at="")  # the database's time

    async def _add(self, content: bytes) -> None:
        number = self.pieces
        self.pieces += 1
        await self._runtime.file_bytes.add(self._key, number, content)


def _check_declared(declared: str, found: str) -> None:
    """Refuse a file that the client takes for a picture or a PDF, and that is none. Pictures may be of other kinds."""
    if (declared in PICTURES and not is_picture(found)) or (declared == PDF and found != PDF):
        raise InvalidRequest(f"the bytes are no {declared}: they look like {found}")


async def _complete(runtime: Runtime, owner: str, file: File, sha256: str) -> ReceivedFile:
    async def write(tx: Transaction) -> ReceivedFile:
        tx.prove(can_be_repeated)
        if existing := await store_files.find_by_hash(tx, owner, sha256):
            return ReceivedFile(existing, existing.id == file.id, await tx.now())
        completed = await store_files.complete_file(tx, owner, file, sha256)
        if completed is None:
            raise NotFound(f"no file {file.id}")
        return ReceivedFile(completed, is_new=True, at=await tx.now())

    try:
        return await runtime.db.transaction(write)
    except ValueRefused:  # another upload has brought these bytes in this moment
        return await runtime.db.transaction(write)


async def drop_received(runtime: Runtime, owner: str, received: Sequence[ReceivedFile]) -> None:
    """Drop files that came with a request which is refused: those that are new, and that no other one has found."""
    for file, is_new, at in received:
        if is_new:
            await _drop(runtime, FileKey(owner, file.id), clock.add_seconds(at, _MICROSECOND))


async def _drop(runtime: Runtime, key: FileKey, unused_before: str | None = None) -> None:
    """Drop a file that was not completed, or that was not used since before then."""

    async def write(tx: Transaction) -> None:
        await store_files.drop_file(tx, key, unused_before or await tx.now())

    await runtime.db.transaction(write)
    runtime.notifier.notify(SWEEP_TOPIC)
