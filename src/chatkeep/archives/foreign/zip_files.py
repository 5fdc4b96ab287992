"""Reads the archives that ChatGPT and Claude send: a ZIP file with `conversations.json` in it.

A ZIP file may be hostile: its directory is bounded before it is read (APPNOTE.TXT 4.3.16, "End of central directory"),
and so is all that it unpacks.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import IO, cast
from zipfile import BadZipFile, ZipFile, ZipInfo

from chatkeep.archives.foreign.conversations import open_json, read_conversations
from chatkeep.archives.reading_lines import Item
from chatkeep.archives.report import Omission

MAX_DIRECTORY_BYTES = 16_777_216
"""The largest directory of a ZIP file that is read: some 100,000 entries."""
UNPACKED_TIMES = 8
"""How many times `CHATKEEP_MAX_IMPORT_BYTES` a ZIP file may unpack."""
MAGIC = b"PK"
_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_TAIL_BYTES = 65_536 + 22
_CONVERSATIONS = re.compile(r"(?:^|/)conversations(?:-\d+)?\.json$")
_UNREADABLE = (BadZipFile, zlib.error, EOFError, OSError, RuntimeError, struct.error, ValueError)
"""The errors of `zipfile` for a file that is damaged, encrypted (RuntimeError), or packed in another way (likewise)."""


class Budget:
    """How many bytes a ZIP file may still unpack."""

    def __init__(self, rest: int) -> None:
        self.rest = rest


class Unpacked:
    """A file within a ZIP file, as a stream that ends with an error where the budget is used up."""

    def __init__(self, file: IO[bytes], budget: Budget) -> None:
        self._file = file
        self._budget = budget

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        piece = self._file.read(size)
        self._budget.rest -= len(piece)
        if self._budget.rest < 0:
            raise BadZipFile("it unpacks to too much")
        return piece

    def seek(self, place: int) -> int:
        """Go to a place."""
        return self._file.seek(place)


def open_zip(file: IO[bytes], max_bytes: int, assistant: str) -> tuple[str, Iterator[Item]] | None:
    """Return whose conversations are in a ZIP file, and their items; None if there are none, or it cannot be read."""
    try:
        if _directory_bytes(file) > MAX_DIRECTORY_BYTES:
            return None
        archive = ZipFile(file)
        entries = [each for each in archive.infolist() if _CONVERSATIONS.search(each.filename)]
        if not entries:
            return None
        budget = Budget(max_bytes * UNPACKED_TIMES)
        with archive.open(entries[0]) as first:
            found = open_json(cast("IO[bytes]", Unpacked(first, budget)), assistant)
    except _UNREADABLE:
        return None
    return (found[0], _read_all(archive, entries, budget, assistant)) if found else None


def _read_all(archive: ZipFile, entries: list[ZipInfo], budget: Budget, assistant: str) -> Iterator[Item]:
    for entry in sorted(entries, key=lambda each: each.filename):
        try:
            with archive.open(entry) as file:
                yield from read_conversations(cast("IO[bytes]", Unpacked(file, budget)), 1, assistant)
        except _UNREADABLE:
            yield Omission("line", entry.filename, "not_understood")
    for other in archive.infolist():
        if not _CONVERSATIONS.search(other.filename) and not other.is_dir():
            yield Omission("file", other.filename, "unsupported")


def _directory_bytes(file: IO[bytes]) -> int:
    """Return how many bytes the directory of a ZIP file says that it has: the larger number, where there are two."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL_BYTES - 76))
    tail = file.read()
    file.seek(0)
    found = [int.from_bytes(tail[each.start() + 12 : each.start() + 16], "little") for each in re.finditer(_END, tail)]
    found = [each for each in found if each != 0xFFFF_FFFF]
    found += [
        int.from_bytes(tail[each.start() + 40 : each.start() + 48], "little") for each in re.finditer(_END_64, tail)
    ]
    return max(found, default=0)
