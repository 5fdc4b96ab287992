"""Files in the forms of OpenAI's APIs: as objects of `/v1/files`, and as parts of messages. Pure."""

from collections.abc import Iterable
from typing import Any

from chatkeep import clock
from chatkeep.api.dialects.attachments import FILE_PREFIX, file_url
from chatkeep.chat.types import File, FilePart, Part, TextPart
from chatkeep.settings import Settings

PURPOSE = "user_data"
"""The purpose of every file: to be used in messages."""


def to_file_object(file: File) -> dict[str, Any]:
    """Return a file as OpenAI's. It is there as soon as it was sent."""
    return {
        "id": FILE_PREFIX + file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(clock.parse(file.created_at).timestamp()),
        "expires_at": None,
        "filename": file.name,
        "purpose": PURPOSE,
        "status": "processed",
        "status_details": None,
    }


def response_parts(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Return the texts and files of a user's message as content of Responses. Blank texts are left out."""
    found: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, TextPart) and part.text.strip():
            found.append({"type": "input_text", "text": part.text})
        elif isinstance(part, FilePart) and part.width is not None:
            file_id = FILE_PREFIX + part.file_id
            found.append({"type": "input_image", "detail": "auto", "file_id": file_id, "image_url": None})
        elif isinstance(part, FilePart):
            found.append({"type": "input_file", "file_id": FILE_PREFIX + part.file_id, "filename": part.name})
    return found


def completion_parts(parts: Iterable[Part], settings: Settings) -> list[dict[str, Any]]:
    """Return the texts and files of a user's message as content of Chat Completions. Blank texts are left out."""
    found: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, TextPart) and part.text.strip():
            found.append({"type": "text", "text": part.text})
        elif isinstance(part, FilePart) and part.width is not None:
            found.append({"type": "image_url", "image_url": {"url": file_url(settings, part.file_id)}})
        elif isinstance(part, FilePart):
            file = {"file_id": FILE_PREFIX + part.file_id, "filename": part.name}
            found.append({"type": "file", "file": file})
    return found
