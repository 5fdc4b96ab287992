"""The one range of bytes that a request asks for (RFC 9110 §14). Several ranges are answered with all bytes. Pure."""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")


class ByteRange(NamedTuple):
    """From `begin` up to, not including, `end`."""

    begin: int
    end: int


class NotSatisfiable(Exception):  # noqa: N818  # an answer, no fault
    """The range lies outside of the file."""


def parse_range(text: str | None, size: int) -> ByteRange | None:
    """Return the range that the header `Range` asks for, of a file of `size` bytes; None: all of it.

    Raises:
        NotSatisfiable: there is nothing in it.
    """
    match = _RANGE.fullmatch(text or "")
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        begin, end = max(0, size - int(match[2])), size
    else:
        begin, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < begin:
            return None  # it is no range, and does not count (§14.1.1)
    if begin >= end:
        raise NotSatisfiable
    return ByteRange(begin, end)
