"""The media type of a file, found in its bytes. Pure.

1. A file whose bytes are all text is text: UTF-8, or UTF-16 with a byte order mark, without control characters. Its
   name and the type that the client says tell which kind, and nothing else: no text becomes a picture by its name.
2. Of other files the first bytes decide. If they say picture or PDF, the file is read as one later on
   (`files/child.py`). If that fails, it is none.
3. The rest is `application/octet-stream`.

Sources: WHATWG, "MIME Sniffing"; RFC 6838.
"""

import codecs
from mimetypes import MimeTypes
from typing import Any, Final, cast

import puremagic

UNKNOWN_TYPE: Final = "application/octet-stream"
PDF: Final = "application/pdf"
HTML: Final = "text/html"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX: Final = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
OFFICE: Final = (DOCX, XLSX, PPTX)
"""Documents of Word, Excel and PowerPoint (ECMA-376)."""
WAV: Final = "audio/wav"
MP3: Final = "audio/mpeg"
AUDIO: Final = {WAV: "wav", MP3: "mp3"}
"""Recordings that models take, and the names of their formats in OpenAI's APIs."""
PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Pictures that browsers and models read."""
_TEXT_APPLICATIONS = frozenset((
    "application/json", "application/xml", "application/javascript", "application/x-javascript", "application/toml",
    "application/yaml", "application/x-yaml", "application/x-sh", "application/x-csh", "application/x-tex",
    "application/sql", "image/svg+xml",
))  # fmt: skip
HEAD_BYTES = 4_096
"""How much of a file's beginning decides."""
_CONTROLS = bytes(each for each in range(32) if each not in b"\t\n\r\x0c\x1b") + b"\x7f"
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<iframe", b"<h1", b"<div", b"<table", b"<!--")
_NAMES = MimeTypes(filenames=())
"""Endings of names, as Python has them; the machine's own list is not read."""
_BY_ENDING = {
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
}
_OFFICE = {".docx": DOCX, ".xlsx": XLSX, ".pptx": PPTX}


def is_text(media_type: str) -> bool:
    """Return True for types whose files are text."""
    return media_type.startswith("text/") or media_type in _TEXT_APPLICATIONS


def is_picture(media_type: str) -> bool:
    """Return True for types whose files are pictures of pixels: SVG is text."""
    return media_type.startswith("image/") and not is_text(media_type)


def decode_text(content: bytes) -> str:
    """Return the text of a file's first bytes; what is cut off at its end is left out."""
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder = codecs.getincrementaldecoder("utf-16" if is_wide else "utf-8-sig")("replace")
    return decoder.decode(content).replace("\r\n", "\n")


def is_shown_inline(media_type: str) -> bool:
    """Return True for types that a browser shows without running anything."""
    return media_type in PICTURES or media_type == "text/plain"


class MediaTypeFinder:
    """Is fed a file piece by piece, and keeps its first bytes."""

    def __init__(self) -> None:
        self._head = b""
        self._first = b""  # a first byte that came alone: a byte order mark of UTF-16 has two
        self._decoder: codecs.IncrementalDecoder | None = None  # None before the first two bytes
        self._is_text = True

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the file."""
        if len(self._head) < HEAD_BYTES:
            self._head += piece[: HEAD_BYTES - len(self._head)]
        if self._is_text:
            self._is_text = self._goes_on_as_text(piece)

    def find(self, name: str, declared: str) -> str:
        """Return the type of the file that was fed, which has that name, and of which the client says `declared`."""
        if self._head.startswith(b"%PDF-"):
            return PDF
        if self._is_text and self._ends_as_text():
            return _text_type(self._head, name, declared)
        return _binary_type(self._head, name)

    def _goes_on_as_text(self, piece: bytes, *, is_last: bool = False) -> bool:
        if self._decoder is None:
            piece = self._first + piece
            if len(piece) < 2 and not is_last:
                self._first = piece
                return True
            is_wide = piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            self._decoder = codecs.getincrementaldecoder("utf-16" if is_wide else "utf-8")()
        try:
            as_bytes = self._decoder.decode(piece, is_last).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return False
        return len(as_bytes.translate(None, _CONTROLS)) == len(as_bytes)

    def _ends_as_text(self) -> bool:
        return bool(self._head) and self._goes_on_as_text(b"", is_last=True)


def _text_type(head: bytes, name: str, declared: str) -> str:
    begin = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in begin and begin.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")):
        return "image/svg+xml"
    if begin.startswith(_HTML):
        return HTML
    ending = _ending(name)
    for kind in (_BY_ENDING.get(ending) or _NAMES.types_map[1].get(ending, ""), declared):
        if is_text(kind) and kind not in (HTML, "image/svg+xml"):
            return kind
    return HTML if _NAMES.types_map[1].get(ending) == HTML else "text/plain"


def _binary_type(head: bytes, name: str) -> str:
    if head.startswith(b"PK\x03\x04"):
        return _OFFICE.get(_ending(name), "application/zip")
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return WAV
    if head.startswith(b"ID3") or _begins_as_mp3(head):
        return MP3
    try:
        found: str = cast("Any", puremagic).from_string(head, mime=True)
    except (puremagic.PureError, ValueError):
        return UNKNOWN_TYPE
    return found if found and not is_text(found) else UNKNOWN_TYPE


def _begins_as_mp3(head: bytes) -> bool:
    """Return True for the head of a frame of MPEG audio, layer III (ISO 11172-3, 2.4.2.3)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    return head[1] & 0x18 != 0x08 and head[2] & 0xF0 != 0xF0 and head[2] & 0x0C != 0x0C


def _ending(name: str) -> str:
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""
