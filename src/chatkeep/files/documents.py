"""Reads PDFs, with PDFium. Runs in the process of `child.py` alone."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pypdfium2 has no types)

from typing import Any

import pypdfium2

from chatkeep.files.jobs import MAX_PAGE_PICTURES, MAX_PAGES, MAX_PICTURE_EDGE, MAX_TEXT_BYTES, Answer
from chatkeep.files.pictures import encode_picture

_PASSWORD_ERROR = 4
"""`FPDF_ERR_PASSWORD` (PDFium, fpdfview.h)."""
MAX_PAGE_EDGE_POINTS = 14_400
"""The longest edge of a page that is drawn, in points of 1/72 inch (ISO 32000-1, annex C)."""


def inspect_document(content: bytes) -> Answer:
    """Return the number of pages of a PDF."""
    document = _open(content)
    return document if isinstance(document, Answer) else Answer(pages=len(document))


def draw_first_page(content: bytes, edge: int) -> Answer:
    """Return a picture of the first page, its longer edge having `edge` pixels."""
    document = _open(content)
    if isinstance(document, Answer):
        return document
    return encode_picture(_draw(document[0], edge), edge)


def read_document(content: bytes) -> Answer:
    """Return the texts of the first pages, up to `MAX_TEXT_BYTES`, and pictures of some that have none."""
    document = _open(content)
    if isinstance(document, Answer):
        return document
    texts: list[str] = []
    pictures: list[bytes] = []
    picture_pages: list[int] = []
    rest = MAX_TEXT_BYTES
    for number in range(min(len(document), MAX_PAGES)):
        page = document[number]
        text = page.get_textpage().get_text_bounded().replace("\r\n", "\n").strip()
        if (size := len(text.encode())) > rest:
            break
        texts.append(text)
        rest -= size + 1
        if not text and len(pictures) < MAX_PAGE_PICTURES:
            pictures += encode_picture(_draw(page, MAX_PICTURE_EDGE), MAX_PICTURE_EDGE).pictures
            picture_pages.append(number + 1)
        if rest <= 0:
            break
    return Answer(pages=len(document), texts=texts, pictures=pictures, picture_pages=picture_pages)


def _open(content: bytes) -> Any:
    """Return the document, or an answer that says why it cannot be read."""
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        is_locked = getattr(error, "err_code", None) == _PASSWORD_ERROR or "assword" in str(error)
        return Answer(problem="the PDF is encrypted" if is_locked else "the PDF is damaged")
    return document if len(document) else Answer(problem="the PDF is damaged")


def _draw(page: Any, edge: int) -> Any:
    longest = min(max(*page.get_size(), 1), MAX_PAGE_EDGE_POINTS)
    return page.render(scale=edge / longest).to_pil().convert("RGB")
