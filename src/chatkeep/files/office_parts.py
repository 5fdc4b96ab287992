"""The parts of a document of Word, Excel or PowerPoint, which is a ZIP archive of them (ECMA-376, part 2).

Each part is read, or is a matter of form (styles, relations, settings), or is listed as left out. One that is of no
known kind is listed by its name: so nothing is dropped in silence.
"""

import io
import re
from collections import Counter
from collections.abc import Sequence
from zipfile import ZipFile

MAX_UNPACKED_BYTES = 268_435_456
"""How large the parts of a document may be together. Deflate makes up to 1,032 bytes of one (RFC 1951)."""
_HEAD_BYTES = 4_096
MAX_LISTED_NAMES = 5
"""The most parts of no known kind that are named; the others are counted."""

_READ = (
    r"word/(document|footnotes|endnotes|comments)\.xml"
    r"|xl/(workbook|sharedStrings)\.xml|xl/worksheets/[^/]+\.xml"
    r"|ppt/presentation\.xml|ppt/slides/[^/]+\.xml|ppt/notesSlides/[^/]+\.xml"
)
_FORM = (
    r"\[Content_Types\]\.xml|mimetype|.*/|(.*/)?[^/]*\.rels|docProps/.*|customXml/.*|docMetadata/.*"
    r"|.*/(theme|slideMasters|slideLayouts|notesMasters|handoutMasters|printerSettings|fonts|tables|changesInfos)/.*"
    r"|word/(styles|stylesWithEffects|settings|webSettings|fontTable|numbering|people|comments\w+)\.xml"
    r"|word/glossary/.*|xl/(styles|calcChain|metadata|volatileDependencies)\.xml|xl/(persons|richData|ctrlProps)/.*"
    r"|ppt/(presProps|viewProps|tableStyles|revisionInfo|commentAuthors|authors)\.xml|ppt/tags/.*"
    r"|.*/charts/(style|colors)\d*\.xml|.*/diagrams/(colors|drawing|layout|quickStyle)\d*\.xml"
)
_LEFT_OUT = {
    "picture": r".*/media/.*\.(png|jpe?g|jfif|gif|bmp|tiff?|emf|wmf|svg|webp|wdp|ico)",
    "sound or film": r".*/media/.*",
    "embedded file": r".*/(embeddings|activeX)/.*",
    "chart": r".*/(charts|chartsheets)/[^/]*\.xml",
    "diagram": r".*/diagrams/data\d*\.xml",
    "part with comments": r"(xl|ppt)/(.*/)?(comments|threadedComments)[^/]*(/.*)?\.xml",
    "header or footer": r"word/(header|footer)\d*\.xml",
    "drawing": r".*/drawings/[^/]*",
    "pivot table": r"xl/pivotTables/[^/]*\.xml",
    "table of a pivot": r"xl/pivotCache/.*",
    "copy of another workbook": r"xl/externalLinks/[^/]*\.xml",
    "set of connections": r"xl/(connections|queryTables/.*)\.xml",
    "program": r".*vba.*\.(bin|xml)",
    "signature": r"_xmlsignatures/.*",
}
"""Kinds of parts of which no text is made. The first that fits a part's name counts."""
_UNREAD = "no text is made of such parts"


def find_problem(content: bytes) -> str | None:
    """Return why a document is not read; None if nothing speaks against it.

    Its parts are as large as the archive says: its reader takes no more of them than that.

    Raises:
        BadZipFile: it is no archive.
    """
    with ZipFile(io.BytesIO(content)) as archive:
        if sum(each.file_size for each in archive.infolist()) > MAX_UNPACKED_BYTES:
            return f"it unpacks to more than {MAX_UNPACKED_BYTES:,} bytes"
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                with archive.open(name) as part:
                    if b"<!DOCTYPE" in part.read(_HEAD_BYTES):
                        return "it declares entities, which such a document may not"  # ECMA-376, part 2, §8.1.4
    return None


def list_left_out(content: bytes) -> list[str]:
    """Return of which parts no text is made, with their numbers, and the reason."""
    with ZipFile(io.BytesIO(content)) as archive:
        kinds = [_find_kind(name) for name in archive.namelist()]
    known = Counter(kind for kind in kinds if kind and not kind.startswith("/"))
    found = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in known.items()]
    unknown = [kind[1:] for kind in kinds if kind and kind.startswith("/")]
    if found:
        found[-1] += f" ({_UNREAD})"
    return [*found, *_name_unknown(unknown)]


def _find_kind(name: str) -> str | None:
    """Return the kind of a part that is left out, or, after a slash, the name of one of no known kind."""
    if re.fullmatch(_READ, name) or re.fullmatch(_FORM, name, re.IGNORECASE):
        return None
    for kind, pattern in _LEFT_OUT.items():
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return kind
    return "/" + " ".join(name.split())[:100]


def _name_unknown(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - MAX_LISTED_NAMES:,} more" if len(names) > MAX_LISTED_NAMES else ""
    return [f"{', '.join(names[:MAX_LISTED_NAMES])}{more} (parts of no known kind)"]
