"""The content of a user's message in a prompt: its text, and what the model gets of its files. Pure.

    [File: notes.md, text/markdown, 1,234 bytes]        a text, in a fence that it cannot end
    ```
    …
    ```
    [File: scan.pdf, application/pdf, 3 pages]          the text of a PDF, page by page; pictures of pages without text
    [File: plan.pdf, application/pdf, 3 pages]          a PDF as it is, if the model takes files
    [File: photo.jpg, image/jpeg, 3000 x 2000 pixels]   a picture, if the model reads some
    [File: memo.mp3, audio/mpeg, 1,234 bytes]           a recording, if the model takes some

1. A content of texts alone is one text, which every server takes.
2. A file whose content is not in the prompt is named, and it is said that it is not shown. No file is left out in
   silence.
3. A picture counts as so many tokens, whatever its bytes; a recording by its likely length, a PDF by its likely pages.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec

from chatkeep.chat.texts import join_texts
from chatkeep.chat.types import FilePart, Message, Part

PICTURE_BYTES = 6_400
"""As how many bytes of JSON a picture counts: some 1,600 tokens, those of one whose edges have 1,568 pixels at most
(Anthropic, "Vision"; OpenAI's models take fewer)."""
BASE64_PER_BYTE = {"wav": 1_066, "mp3": 266}
"""As how many characters of base64 a recording counts one byte of JSON: 10 tokens, which are 40 bytes, a second
(OpenAI, "Audio and speech"), as if a wav had 16,000 samples a second of 16 bits, and an mp3 64 kbit a second."""
BASE64_PER_DOCUMENT_BYTE = 8
"""As how many characters of base64 a PDF that is sent as it is counts one byte of JSON: a page of 50 KB as 2,000 tokens
(Anthropic, "PDF support": 1,500 to 3,000 a page; OpenAI's models get the text and a picture of each page, too)."""
_FENCES = re.compile(r"`{3,}")

Content: TypeAlias = str | list[dict[str, Any]]
"""A text, or parts in the form of Chat Completions."""


class PromptPicture(NamedTuple):
    """A picture as a data URL. `label` says which page of a document it shows; empty for a picture of its own."""

    label: str
    url: str


class PromptAudio(NamedTuple):
    """A recording in base64, and its format: `wav` or `mp3`."""

    data: str
    format: str

    @property
    def json_bytes(self) -> int:
        """As how many bytes of JSON it counts."""
        return len(self.data) // BASE64_PER_BYTE[self.format]


class PromptFile(NamedTuple):
    """The content of a file as models get it: its text, its pictures, its sound. `notes` say what is missing.

    `document` is the file itself as a data URL, for models that take it in place of its text and pictures.
    """

    text: str | None = None
    pictures: Sequence[PromptPicture] = ()
    notes: Sequence[str] = ()
    audio: PromptAudio | None = None
    document: str | None = None


class PromptFiles(NamedTuple):
    """The files of a history that models may get, by their ids, and the kinds of parts that this model reads."""

    by_id: Mapping[str, PromptFile]
    input: Sequence[str] = ("text",)


NO_FILES = PromptFiles(MappingProxyType({}))
"""All files are named, and none is shown."""


def has_files(history: Iterable[Message]) -> bool:
    """Return True if a message of `history` refers to a file."""
    return any(isinstance(part, FilePart) for message in history for part in message.parts)


def describe_file(part: FilePart) -> str:
    """Return a file's name, kind and size in a line."""
    if part.width is not None and part.height is not None:
        size = f"{part.width} x {part.height} pixels"
    elif part.pages is not None:
        size = f"{part.pages} page{'s' if part.pages > 1 else ''}"
    else:
        size = f"{part.bytes:,} bytes"
    return f"File: {part.name}, {part.media_type}, {size}"


def user_content(parts: Sequence[Part], files: PromptFiles) -> Content:
    """Return the content of a user's message: its files, then its text."""
    found = [each for part in parts if isinstance(part, FilePart) for each in _file_content(part, files)]
    if text := join_texts(parts, "\n\n"):
        found.append(_text(text))
    if all(each["type"] == "text" for each in found):
        return "\n\n".join(each["text"] for each in found)
    return found


def merge_user_messages(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `messages` with each two of the user in a row made one."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        if merged and message["role"] == merged[-1]["role"] == "user":
            merged[-1] = {"role": "user", "content": _join(merged[-1]["content"], message["content"])}
        else:
            merged.append(message)
    return merged


def count_bytes(values: Sequence[dict[str, Any]]) -> int:
    """Return the bytes of JSON that `values` have; 0 if there are none, as they are not sent then."""
    if not values:
        return 0
    parts = [part for value in values for part in _content_parts(value.get("content"))]
    size = len(msgspec.json.encode(values))
    for part in parts:
        if part["type"] == "image_url":
            size += PICTURE_BYTES - len(part["image_url"]["url"])
        elif part["type"] == "input_audio":
            audio = PromptAudio(**part["input_audio"])
            size += audio.json_bytes - len(audio.data)
        elif part["type"] == "file":
            size -= len(data := part["file"]["file_data"]) - len(data) // BASE64_PER_DOCUMENT_BYTE
    return size


def plain_text(content: Any) -> str:
    """Return the texts of a message's content in one, without its pictures."""
    if isinstance(content, list):
        return "\n\n".join(part["text"] for part in _content_parts(content) if part["type"] == "text")
    return content or ""


def _content_parts(content: Any) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", content) if isinstance(content, list) else []


def _join(first: Content, second: Content) -> Content:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [
        *([_text(first)] if isinstance(first, str) else first),
        *([_text(second)] if isinstance(second, str) else second),
    ]


def _file_content(part: FilePart, files: PromptFiles) -> list[dict[str, Any]]:
    file, head = files.by_id.get(part.file_id), describe_file(part)
    if file is None:
        return [_text(f"[{head}. Its content is not shown.]")]
    if file.document is not None and "file" in files.input:
        return [_text(f"[{head}]"), {"type": "file", "file": {"filename": part.name, "file_data": file.document}}]
    pictures = file.pictures if "image" in files.input else ()
    notes = list(file.notes)
    if file.pictures and not pictures:
        notes.append("Its pictures are not shown: this model reads none.")
    is_played = file.audio is not None and "audio" in files.input
    if file.audio is not None and not is_played:
        notes.append("It is not played: this model takes no recordings.")
    lines = [f"[{'. '.join((head, *notes))}]", *([_fence(file.text)] if file.text else [])]
    found = [_text("\n".join(lines))]
    for picture in pictures:
        found += [_text(picture.label)] if picture.label else []
        found.append({"type": "image_url", "image_url": {"url": picture.url}})
    if file.audio is not None and is_played:
        found.append({"type": "input_audio", "input_audio": file.audio._asdict()})
    return found


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _fence(text: str) -> str:
    """Return a text in a fence that is longer than any in it (CommonMark 0.31, "Fenced code blocks")."""
    fence = "`" * max(3, *(len(found) + 1 for found in _FENCES.findall(text)), 0)
    return f"{fence}\n{text}\n{fence}"
