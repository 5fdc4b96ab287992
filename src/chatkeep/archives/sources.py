"""Finds out whose archive it is, by its first bytes, and reads it."""

from collections.abc import Iterator
from typing import IO, NamedTuple

from chatkeep.archives.foreign import conversations, zip_files
from chatkeep.archives.lines import FIRST
from chatkeep.archives.reading_lines import Item, read_lines
from chatkeep.errors import InvalidRequest

_HEAD_BYTES = 4_096


class Source(NamedTuple):
    """An archive: whose it is, and its items, which are read while they are asked for."""

    name: str
    items: Iterator[Item]


def open_source(file: IO[bytes], max_bytes: int, assistant: str) -> Source:
    """Return whose archive is in `file`, and its items.

    `assistant` answers in chats of other services. `max_bytes` bounds what a ZIP file may unpack.

    Raises:
        InvalidRequest: it is no archive of a known form.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if head.startswith(f'{{"type":"{FIRST}"'.encode()):
        return Source("chatkeep", read_lines(file))
    if head.startswith(zip_files.MAGIC):
        found = zip_files.open_zip(file, max_bytes, assistant)
    else:
        found = conversations.open_json(file, assistant) if head.lstrip()[:1] in (b"[", b"{") else None
    if found is None:
        raise InvalidRequest("this is no archive of a known form (docs/archives.md)")
    return Source(*found)
