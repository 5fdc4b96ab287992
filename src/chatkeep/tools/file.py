"""Files that an action returns: stored for the owner of the run, shown beside the call, and named to the model.

An action returns a `File`, alone or anywhere in lists and dictionaries. In the output that is stored, and that the
model reads, a description stands in its place.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from chatkeep.chat.types import FilePart

MAX_RETURNED_FILES = 16
"""The most files of a call."""


@dataclass(frozen=True)
class File:
    """A file of an action: its bytes, or the path where they are, and its name.

    `media_type` is the one that the action takes it for; the bytes decide, and it tells kinds of text apart.
    """

    content: bytes | Path
    name: str
    media_type: str = ""


SaveFile: TypeAlias = Callable[[File], Awaitable[FilePart]]
"""Stores a file for the owner of the run, with a reference from its message, and returns what the message shows.

It raises ToolError if the file is empty or too large. A repetition stores nothing: files are stored once by content.
"""


class TooManyFiles(Exception):  # noqa: N818  # named for what happened
    """An action returned more than `MAX_RETURNED_FILES` files."""


async def save_files(output: Any, save: SaveFile | None) -> tuple[Any, tuple[FilePart, ...]]:
    """Return `output` with a description in the place of each file, and the files as they were stored.

    Without `save`, where no service runs, files are described and not kept.

    Raises:
        TooManyFiles: there are too many.
        ToolError: see `SaveFile`.
    """
    files = list(dict.fromkeys(await asyncio.to_thread(_find_files, output)))  # there may be millions of values
    if not files:
        return output, ()
    if len(files) > MAX_RETURNED_FILES:
        raise TooManyFiles
    saved = {file: await save(file) for file in files} if save is not None else {}
    described = {file: _describe(file, saved.get(file)) for file in files}
    return _replace(output, described), tuple(saved.values())


def _find_files(value: Any) -> list[File]:
    match value:
        case File():
            return [value]
        case list() | tuple() | dict():
            several = cast("dict[Any, Any]", value).values() if isinstance(value, dict) else cast("list[Any]", value)
            return [file for each in several for file in _find_files(each)]
        case _:
            return []


def _replace(value: Any, described: dict[File, dict[str, Any]]) -> Any:
    match value:
        case File():
            return described[value]
        case list() | tuple():
            return [_replace(each, described) for each in cast("list[Any]", value)]
        case dict():
            return {key: _replace(each, described) for key, each in cast("dict[Any, Any]", value).items()}
        case _:
            return value


def _describe(file: File, part: FilePart | None) -> dict[str, Any]:
    if part is None:
        return {"name": file.name, "note": "not kept: there is no service here"}
    return {"file_id": part.file_id, "name": part.name, "media_type": part.media_type, "bytes": part.bytes}
