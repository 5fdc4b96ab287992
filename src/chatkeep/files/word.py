"""Reads documents of Word, with Mammoth. Runs in the process of `child.py` alone.

Mammoth makes HTML of a document's structure: headings, lists, tables, notes, comments. It reads no file but this one
(`external_file_access` is off), and nothing is loaded.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
# (mammoth has no types)

import io
from collections import Counter
from typing import Any
from zipfile import ZipFile

import mammoth

from chatkeep.files.bounded_texts import BoundedTexts
from chatkeep.files.jobs import Answer
from chatkeep.files.web_page import read_html

_STYLES = "comment-reference => sup"
"""Comments are read only if a style says as what."""
_IGNORED = "An unrecognised element was ignored: "
"""The beginning of Mammoth's message about an element that it does not read."""
_DELETED = (b"<w:del ", b"<w:moveFrom ")
MAX_LISTED_ELEMENTS = 10


def read(content: bytes) -> Answer:
    """Return the text of a document as Markdown."""
    result = mammoth.convert_to_html(
        io.BytesIO(content), style_map=_STYLES, include_embedded_style_map=False, convert_image=_name_picture
    )
    texts = read_html(result.value, BoundedTexts())
    texts.left_out = [each for each in texts.left_out if "picture" not in each]  # the package's are counted
    texts.left_out += _list_elements(result.messages)
    if _has_deleted_text(content):
        texts.left_out.append("text that is marked as deleted")
    return texts.answer()


@mammoth.images.img_element
def _name_picture(_picture: Any) -> dict[str, str]:
    """Keep a picture's place and alternative text."""
    return {}


def _list_elements(messages: list[Any]) -> list[str]:
    """Return the elements that are not read, such as formulas."""
    found = Counter(
        each.message.removeprefix(_IGNORED).rpartition("}")[2] for each in messages if each.message.startswith(_IGNORED)
    )
    return [
        f"{count} element{'s' if count > 1 else ''} {name[:100]} (not read)"
        for name, count in found.most_common(MAX_LISTED_ELEMENTS)
    ]


def _has_deleted_text(content: bytes) -> bool:
    with ZipFile(io.BytesIO(content)) as archive:
        if "word/document.xml" not in archive.namelist():
            return False
        document = archive.read("word/document.xml")
    return any(mark in document for mark in _DELETED)
