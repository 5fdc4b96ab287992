"""The content of a user's message in AG-UI: a text, or texts and files.

    image, audio, video, document   AG-UI 1.0: a `source` with data, an address, or the id of a file
    binary                          AG-UI before 1.0: `data`, `url` or `id`

Source: npm `@ag-ui/core`, `ContentPart`.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from chatkeep.api.dialects.attachments import GivenFile, SaidPart, file_url, merge_texts
from chatkeep.api.dialects.bodies import MAX_INLINE_BYTES, decode_content
from chatkeep.chat.types import FilePart, Part, TextPart
from chatkeep.errors import InvalidRequest
from chatkeep.settings import Settings
from chatkeep.text import clean

_KINDS = ("image", "audio", "video")


class Source(msgspec.Struct, rename="camel"):
    """Where the bytes of a file are."""

    type: Literal["data", "url", "file"]
    value: str = ""
    mime_type: str | None = None


class Metadata(msgspec.Struct):
    """The field of a file's metadata that is read: its name, as our own snapshots have it."""

    filename: str | None = None


class AguiPart(msgspec.Struct, rename="camel"):
    """A part of a user's message."""

    type: str
    text: str = ""
    source: Source | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    mime_type: str | None = None
    id: str | None = None
    url: str | None = None
    data: str | None = None
    filename: str | None = None


AguiContent: TypeAlias = str | list[AguiPart]


async def read_said(raw: msgspec.Raw) -> list[SaidPart]:
    """Return the texts and files of a content; texts in a row are one. A large one is decoded in a thread.

    Raises:
        InvalidRequest: it has parts that are neither.
    """
    is_large = len(bytes(raw)) > MAX_INLINE_BYTES
    return await asyncio.to_thread(_said_in, raw) if is_large else _said_in(raw)


def to_agui_content(parts: Iterable[Part], settings: Settings) -> str | list[dict[str, Any]]:
    """Return the texts and files of a user's message as a content of AG-UI."""
    found = [_to_part(part, settings) for part in parts if isinstance(part, TextPart | FilePart)]
    if all(each["type"] == "text" for each in found):
        return "\n".join(each["text"] for each in found)
    return found


def _to_part(part: TextPart | FilePart, settings: Settings) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    kind = part.media_type.partition("/")[0]
    source = {"type": "url", "value": file_url(settings, part.file_id), "mimeType": part.media_type}
    return {"type": kind if kind in _KINDS else "document", "source": source, "metadata": {"filename": part.name}}


def _said_in(raw: msgspec.Raw) -> list[SaidPart]:
    content: AguiContent = decode_content("messages", raw, AguiContent)
    if isinstance(content, str):
        return [TextPart(clean(content))]
    return merge_texts([_to_said(f"messages.content.{at}", part) for at, part in enumerate(content)], "\n")


def _to_said(where: str, part: AguiPart) -> SaidPart:
    match part.type:
        case "text":
            return TextPart(clean(part.text))
        case "image" | "audio" | "video" | "document":
            return _given(where, part.source or Source("data"), _name_in(part.metadata))
        case "binary":
            name, media_type = part.filename or "", part.mime_type or ""
            return GivenFile(where, part.url or "", part.data or "", part.id or "", name, media_type)
        case _:
            raise InvalidRequest(f"{where}: parts of the type {part.type[:40]!r} cannot be read; text and files can")


def _given(where: str, source: Source, name: str) -> GivenFile:
    media_type = source.mime_type or ""
    match source.type:
        case "data":
            return GivenFile(where, data=source.value, name=name, media_type=media_type)
        case "url":
            return GivenFile(where, source.value, name=name, media_type=media_type)
        case "file":
            return GivenFile(where, file_id=source.value, name=name, media_type=media_type)


def _name_in(metadata: msgspec.Raw) -> str:
    """Return the name in a file's metadata; empty if these have another form."""
    try:
        return msgspec.json.decode(metadata, type=Metadata).filename or ""
    except msgspec.DecodeError:
        return ""
