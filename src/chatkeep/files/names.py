"""Names of files: made harmless on their way in, and said to browsers on their way out. Pure."""

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from chatkeep.text import clean

MAX_NAME_CHARS = 200
DEFAULT_NAME = "file"
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
"""Control characters, and those by which a name shows its letters in another order than it has them (Unicode TR36)."""
_BLANKS = re.compile(r"\s+")
_NOT_ASCII = re.compile(r"[^ !#-\[\]-~]")
"""Characters that no quoted text of a header has: quotes, backslashes, and all that is not ASCII."""


def clean_name(name: str) -> str:
    """Return the name of a file without folders, control characters and more than `MAX_NAME_CHARS` characters.

    One that is too long keeps its ending. One of which nothing is left is `file`.
    """
    last = _HIDDEN.sub("", clean(name)).replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    bare = _BLANKS.sub(" ", last).strip(" .") if last.strip(" .") else ""
    if last.startswith(".") and bare:
        bare = f".{bare}"
    if len(bare) > MAX_NAME_CHARS:
        ending = PurePosixPath(bare).suffix[:20]
        bare = bare[: MAX_NAME_CHARS - len(ending)] + ending
    return bare or DEFAULT_NAME


def content_disposition(name: str, *, inline: bool) -> str:
    """Return the value of the header (RFC 6266): the name in ASCII, and in full for those that read it (RFC 8187)."""
    plain = _NOT_ASCII.sub("_", name)
    more = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{"inline" if inline else "attachment"}; filename="{plain}"{more}'
