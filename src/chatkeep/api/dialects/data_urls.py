"""Files as text: data URLs (RFC 2397), and bare base64 (RFC 4648 §4). Pure.

They are decoded piece by piece, so that a large one holds up no other request: each piece takes about a millisecond.
"""

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

_HEAD = re.compile(r"data:([^,;\s]*)([^,]{0,500}),", re.IGNORECASE)
_PIECE_CHARS = 1_048_576
"""Characters that are decoded at a time: a number of whole groups of four."""
_BLANKS = re.compile(r"\s")


class EncodedFile(NamedTuple):
    """A file whose bytes stand in `text` from `begin` on; `media_type` is what its sender says, or empty."""

    media_type: str
    text: str
    begin: int = 0
    is_base64: bool = True

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        return (len(self.text) - self.begin) * 3 // 4 if self.is_base64 else len(self.text) - self.begin

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes.

        Raises:
            ValueError: it is no base64. Blanks in it, and padding that is missing at its end, are no fault.
        """
        text, begin = self.text, self.begin
        if not self.is_base64:
            yield unquote_to_bytes(text[begin:])
            return
        if "%" in text or _BLANKS.search(text, begin):
            text, begin = "".join(unquote_to_bytes(text[begin:]).decode("ascii").split()), 0
        padding = text.find("=", begin)
        end = len(text) if padding < 0 else padding
        if text.count("=", end) != len(text) - end or len(text) - end > 2:
            raise ValueError("padding stands at its end alone")
        for start in range(begin, end, _PIECE_CHARS):
            piece = text[start : min(start + _PIECE_CHARS, end)]
            yield binascii.a2b_base64(piece + "=" * (-len(piece) % 4), strict_mode=True)


def parse_data_url(text: str) -> EncodedFile | None:
    """Return the file that a data URL is; None if `text` is none."""
    head = _HEAD.match(text)
    if head is None:
        return None
    parameters = [each.strip().lower() for each in head[2].split(";")]
    return EncodedFile(head[1].lower(), text, head.end(), is_base64="base64" in parameters)
