"""Finds out what an archive is, by its first bytes, and reads it."""

from collections.abc import Iterator
from typing import IO, NamedTuple

from chatkeep.archives.lines import FIRST
from chatkeep.archives.reading_lines import Item, read_lines
from chatkeep.errors import InvalidRequest

_HEAD_BYTES = 4_096


class Source(NamedTuple):
    """An archive: whose it is, and its items, which are read while they are asked for."""

    name: str
    items: Iterator[Item]


def open_source(file: IO[bytes], max_bytes: int, assistant: str) -> Source:
    """Return what is in `file`. `assistant` answers in chats of other services; they may unpack `max_bytes`.

    Raises:
        InvalidRequest: it is no archive of a known form.
    """
    del max_bytes, assistant
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if head.startswith(f'{{"type":"{FIRST}"'.encode()):
        return Source("chatkeep", read_lines(file))
    raise InvalidRequest("this is no archive of a known form (docs/archives.md)")
