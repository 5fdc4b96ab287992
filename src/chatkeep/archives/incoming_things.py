"""The facts and files of an archive: stored as they come, since none needs another."""

from collections.abc import AsyncGenerator

from chatkeep import ids
from chatkeep.archives.incoming_values import is_time
from chatkeep.archives.item_stream import ItemStream
from chatkeep.archives.lines import BytesLine, FactLine, FileLine
from chatkeep.archives.report import Tally
from chatkeep.chat.types import Fact
from chatkeep.db import Transaction
from chatkeep.errors import BodyTooLarge, InvalidRequest, NotFound
from chatkeep.runs import files
from chatkeep.runs.files import IncomingFile
from chatkeep.runs.runtime import Runtime
from chatkeep.store import facts as store_facts
from chatkeep.store import importing
from chatkeep.toolbox.memory import MAX_FACTS

MAX_FACT_CHARS = 1_000


class IncomingThings:
    """Takes facts and files. `file_ids` are the ids that files have here, by those that they have in the archive."""

    def __init__(self, runtime: Runtime, owner: str, stream: ItemStream, tally: Tally) -> None:
        self._runtime = runtime
        self._owner = owner
        self._stream = stream
        self._tally = tally
        self.file_ids: dict[str, str] = {}

    async def take_fact(self, line: FactLine) -> None:
        """Store a fact, or count why not."""
        if ids.parse(line.id) is None or not is_time(line.created_at) or not 0 < len(line.text) <= MAX_FACT_CHARS:
            self._tally.omit("fact", line.id, "not_understood")
            return

        async def write(tx: Transaction) -> bool | None:
            if await importing.has_fact(tx, self._owner, line.text):
                return False
            if await store_facts.count_facts(tx, self._owner) >= MAX_FACTS:
                return None
            return await importing.add_fact(tx, self._owner, Fact(line.id.lower(), line.text, line.created_at))

        is_new = await self._runtime.db.transaction(write)
        if is_new is None:
            self._tally.omit("fact", line.id, "too_many")
        else:
            (self._tally.taken if is_new else self._tally.already)["fact"] += 1

    async def take_file(self, line: FileLine) -> None:
        """Store a file with the bytes that come next, or count why not."""
        old_id, pieces = ids.parse(line.id), self._read_file(line)
        is_free = old_id is not None and await self._runtime.db.snapshot(
            lambda tx: importing.is_file_id_free(tx, self._owner, old_id)
        )
        try:
            received = await files.receive_file(
                self._runtime,
                self._owner,
                pieces,
                IncomingFile(line.name, line.media_type),
                old_id if is_free else None,
            )
        except (InvalidRequest, BodyTooLarge, NotFound):
            async for _ in self._read_bytes(line):  # the rest of a file that is refused
                pass
            self._tally.omit("file", line.id, "refused")
            return
        self.file_ids[line.id] = received.file.id
        (self._tally.taken if received.is_new else self._tally.already)["file"] += 1

    async def _read_bytes(self, line: FileLine) -> AsyncGenerator[bytes]:
        """Yield the bytes of the file that come next."""
        while isinstance(item := await self._stream.peek(), BytesLine) and item.file_id == line.id:
            await self._stream.next()
            yield item.content

    async def _read_file(self, line: FileLine) -> AsyncGenerator[bytes]:
        """Yield the same.

        Raises:
            InvalidRequest: they are not as many as the file has.
        """
        size = 0
        async for piece in self._read_bytes(line):
            size += len(piece)
            yield piece
        if size != line.bytes:
            raise InvalidRequest(f"the file {line.id} has {size} of {line.bytes} bytes")
