"""The parts of a message's content in OpenAI's APIs: texts and files, in the forms of both.

    Chat Completions   text  refusal  image_url  input_audio  file
    Responses          input_text  output_text  refusal  input_image  input_audio  input_file

Source: OpenAI's API reference, "Create chat completion" and "Create a model response".
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from chatkeep.api.dialects.attachments import GivenFile, SaidPart, merge_texts
from chatkeep.api.dialects.bodies import MAX_VALUE_BYTES, decode_content, decode_small
from chatkeep.chat.types import TextPart
from chatkeep.errors import InvalidRequest
from chatkeep.text import clean

_TEXTS = ("text", "input_text", "output_text", "refusal")
_SHOWN_CHARS = 40


class ImageUrl(msgspec.Struct):
    """The address of a picture. How closely the model looks at it (`detail`) is not read."""

    url: str = ""


class InputAudio(msgspec.Struct):
    """Sound, in base64."""

    data: str = ""
    format: str = ""


class InputFile(msgspec.Struct):
    """A file of Chat Completions."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class ContentPart(msgspec.Struct):
    """A part of a message's content, of any type."""

    type: str
    text: str = ""
    refusal: str = ""
    image_url: str | ImageUrl | None = None
    input_audio: InputAudio | None = None
    file: InputFile | None = None
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None


Content: TypeAlias = str | list[ContentPart] | None


def decode_texts(where: str, raw: msgspec.Raw) -> list[ContentPart]:
    """Return the parts of a content in which no file may be; `where` says where it stands, for a refusal.

    Raises:
        InvalidRequest: it is too long, is no content, or has a part that is no text.
    """
    parts = _to_parts(decode_small(where, raw, Content))
    for part in parts:
        if part.type not in _TEXTS:
            raise InvalidRequest(f"{where}: parts of the type {part.type[:_SHOWN_CHARS]!r} cannot stand here; text can")
        part.text = clean(part.text or part.refusal)
    return parts


def decode_said(where: str, raw: msgspec.Raw) -> list[SaidPart]:
    """Return the content of a user's message: texts in a row are one, in lines.

    Raises:
        InvalidRequest: it is too long, is no content, or has a part of an unknown type.
    """
    parts = _to_parts(decode_content(where, raw, Content))
    if sum(len(part.text) for part in parts) > MAX_VALUE_BYTES:
        raise InvalidRequest(f"{where}: its text is longer than {MAX_VALUE_BYTES} bytes")
    return merge_texts([_to_said(f"{where}.{at}", part) for at, part in enumerate(parts)], "\n")


def _to_parts(content: Content) -> list[ContentPart]:
    if isinstance(content, str):
        return [ContentPart("text", content)]
    return content or []


def _to_said(where: str, part: ContentPart) -> SaidPart:
    match part.type:
        case "text" | "input_text" | "output_text" | "refusal":
            return TextPart(clean(part.text or part.refusal))
        case "image_url" | "input_image":
            url = part.image_url.url if isinstance(part.image_url, ImageUrl) else part.image_url
            return GivenFile(where, url or "", file_id=part.file_id or "")
        case "input_file":
            url, data = part.file_url or "", part.file_data or ""
            return GivenFile(where, url, data, part.file_id or "", part.filename or "")
        case "file":
            file = part.file or InputFile()
            return GivenFile(where, "", file.file_data or "", file.file_id or "", file.filename or "")
        case "input_audio":
            audio = part.input_audio or InputAudio()
            ending = audio.format[:_SHOWN_CHARS].lower()
            return GivenFile(where, data=audio.data, name=f"audio.{ending}", media_type=f"audio/{ending}")
        case _:
            raise InvalidRequest(f"{where}: parts of the type {part.type[:_SHOWN_CHARS]!r} cannot be read")


def texts_of(parts: Sequence[ContentPart]) -> str:
    """Return the text of decoded parts, in lines."""
    return "\n".join(part.text for part in parts)
