"""Items of an archive, parsed in a thread, a few at a time: the event loop never waits for a disk or a long line."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO

from chatkeep.archives.lines import BytesLine
from chatkeep.archives.reading_lines import Item

_BATCH_ITEMS = 200
_BATCH_BYTES = 4_194_304

OnBytes = Callable[[int], None]
"""Is called with how many bytes of the archive were read."""


class ItemStream:
    """The items of an archive, one after the other."""

    def __init__(self, file: IO[bytes], items: Iterator[Item], on_bytes: OnBytes) -> None:
        self._file = file
        self._items = items
        self._on_bytes = on_bytes
        self._batch: deque[Item] = deque()

    async def peek(self) -> Item | None:
        """Return the next item, which stays; None at the end."""
        if not self._batch:
            self._batch.extend(await asyncio.to_thread(self._read))
            self._on_bytes(self._file.tell())
        return self._batch[0] if self._batch else None

    async def next(self) -> Item | None:
        """Return the next item; None at the end."""
        item = await self.peek()
        if item is not None:
            self._batch.popleft()
        return item

    def _read(self) -> list[Item]:
        batch: list[Item] = []
        end = self._file.tell() + _BATCH_BYTES
        for item in self._items:
            batch.append(item)
            if len(batch) >= _BATCH_ITEMS or isinstance(item, BytesLine) or self._file.tell() >= end:
                break
        return batch
