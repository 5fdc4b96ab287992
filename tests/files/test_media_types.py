"""The media type comes from the bytes; name and declaration only tell kinds of text apart."""

import pytest

from chatkeep.files.media_types import PICTURES, UNKNOWN_TYPE, MediaTypeFinder, is_shown_inline
from tests.samples import MP3, pdf, picture, recording


def find(content: bytes, name: str = "", declared: str = "", step: int = 100) -> str:
    finder = MediaTypeFinder()
    for begin in range(0, len(content), step):
        finder.feed(content[begin : begin + step])
    return finder.find(name, declared)


@pytest.mark.parametrize(
    ("content", "name", "declared", "found"),
    [
        (picture("PNG"), "photo.txt", "text/plain", "image/png"),
        (picture("JPEG"), "", "", "image/jpeg"),
        (picture("GIF"), "x.html", "text/html", "image/gif"),
        (picture("WEBP"), "", "", "image/webp"),
        (recording(), "x.txt", "text/plain", "audio/wav"),
        (MP3, "", "", "audio/mpeg"),
        (MP3[10:], "", "", "audio/mpeg"),
        (b"\xff\xf3\x84\x00" + bytes(99), "", "", "audio/mpeg"),
        (b"\xff\xf1\x50\x80" + bytes(99), "a.mp3", "audio/mpeg", "audio/aac"),
        (b"\xff" * 99, "a.mp3", "audio/mpeg", UNKNOWN_TYPE),
        (pdf(["x"]), "x.html", "text/html", "application/pdf"),
        (b"%PDF-1.4 only text", "", "", "application/pdf"),
        (b"hello", "", "", "text/plain"),
        (b"hello", "x.png", "image/png", "text/plain"),
        (b"BMW is a car", "", "", "text/plain"),
        (b"GIF89a/*", "", "", "text/plain"),
        ("naïve 鸡 🐔".encode(), "", "", "text/plain"),
        ("\ufeffwide".encode("utf-16-le"), "a.csv", "", "text/csv"),
        (b"a,b\n1,2", "a.csv", "", "text/csv"),
        (b"a,b\n1,2", "a", "text/csv", "text/csv"),
        (b"# Title", "a.md", "", "text/markdown"),
        (b"{}", "a.json", "", "application/json"),
        (b"import os", "a.py", "", "text/x-python"),
        (b"let x", "a.ts", "", "text/plain"),
        (b"a: 1", "a.yaml", "", "application/yaml"),
        (b"plain", "a.svg", "image/svg+xml", "text/plain"),
        (b"plain", "a.html", "", "text/html"),
        (b" <!DOCTYPE html><p>", "a.txt", "text/plain", "text/html"),
        (b"\xef\xbb\xbf<script>", "a.txt", "", "text/html"),
        (b"<?xml version='1.0'?><svg/>", "a.xml", "", "image/svg+xml"),
        (b"<?xml version='1.0'?><a/>", "a.xml", "", "text/xml"),
        (b"latin \xe9", "a.txt", "text/plain", UNKNOWN_TYPE),
        (b"half \xe2\x82", "a.txt", "text/plain", UNKNOWN_TYPE),
        (b"text with \x00", "a.txt", "text/plain", UNKNOWN_TYPE),
        (b"x" * 9_999 + b"\x01", "a.txt", "text/plain", UNKNOWN_TYPE),
        (bytes(range(256)), "a.png", "image/png", UNKNOWN_TYPE),
        (
            b"PK\x03\x04" + bytes(99),
            "a.docx",
            "",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (b"PK\x03\x04" + bytes(99), "a.txt", "text/plain", "application/zip"),
    ],
)
def test_a_type_is_found(content: bytes, name: str, declared: str, found: str) -> None:
    assert find(content, name, declared) == found
    assert find(content, name, declared, step=7) == found
    assert find(content, name, declared, step=1) == found


def test_only_what_runs_nothing_is_shown_inline() -> None:
    for media_type in (*PICTURES, "text/plain"):
        assert is_shown_inline(media_type)
    for media_type in ("text/html", "image/svg+xml", "application/pdf", "text/xml", UNKNOWN_TYPE, "image/tiff"):
        assert not is_shown_inline(media_type)
