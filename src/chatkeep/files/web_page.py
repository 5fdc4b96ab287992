"""Makes Markdown of HTML, with markdownify. Runs in the process of `child.py` alone."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (markdownify's methods have no types)

import re
from typing import Any

from bs4 import BeautifulSoup, Comment
from markdownify import ATX, MarkdownConverter

from chatkeep.files.bounded_texts import BoundedTexts
from chatkeep.files.jobs import Answer
from chatkeep.files.media_types import decode_text

_LEFT_OUT = {
    "picture": ("img", "svg", "canvas", "picture > source"),
    "script": ("script",),
    "style sheet": ("style",),
    "frame": ("iframe", "frame", "object", "embed"),
    "sound or film": ("video", "audio"),
    "form field": ("input", "select", "textarea"),
    "template": ("template",),
}
"""Kinds of elements of which no text is made, and their selectors (HTML Living Standard, §4)."""
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")


class _Converter(MarkdownConverter):
    """Names pictures by their alternative text: their data may be in the page, as megabytes of base64."""

    def convert_img(self, el: Any, text: str, parent_tags: Any) -> str:
        alt = " ".join(str(el.get("alt") or "").split())
        return f"[Picture: {alt}]" if alt else "[Picture]"


def read(content: bytes) -> Answer:
    """Return a page's text as Markdown."""
    return read_html(decode_text(content), BoundedTexts()).answer()


def read_html(html: str, texts: BoundedTexts) -> BoundedTexts:
    """Add the text of HTML as Markdown to `texts`, with what is left out of it, and return them."""
    page = BeautifulSoup(html, "lxml")
    for kind, selectors in _LEFT_OUT.items():
        found = page.select(", ".join(selectors))
        if found:
            texts.left_out.append(f"{len(found)} {kind}{'s' if len(found) > 1 else ''} (no text is made of such)")
        for element in found:
            if element.name != "img":
                element.decompose()
    if comments := page.find_all(string=lambda text: isinstance(text, Comment)):
        texts.left_out.append(f"{len(comments)} comment{'s' if len(comments) > 1 else ''} of the source")
    markdown = _Converter(heading_style=ATX, bullets="-").convert_soup(page)
    texts.add_begin(_BLANK_LINES.sub("\n\n", markdown).strip())
    return texts
