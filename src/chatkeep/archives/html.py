"""A chat as one HTML file, to be read offline and printed. Its policy forbids all but its own style and pictures.

All that was said is text in it: nothing of a chat becomes markup. Pictures are in the file, other files are named.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from html import escape

import msgspec

from chatkeep.agent.user_content import describe_file
from chatkeep.archives.documents import Piece
from chatkeep.archives.markdown import SPEAKERS, UNTITLED
from chatkeep.chat.files import files_in
from chatkeep.chat.types import FilePart, Message, Part, ReasoningPart, RefusalPart, Session, TextPart, ToolCallPart
from chatkeep.files.media_types import PICTURES

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
article { border-top: 1px solid #bbb; padding: .5rem 0; }
h1 { overflow-wrap: anywhere; } h1:not(:first-child) { break-before: page; }
h2 { font-size: 1rem; margin: 0; } time { color: #555; font-size: .8rem; }
p, pre { white-space: pre-wrap; overflow-wrap: anywhere; } pre { background: #eee; padding: .5rem; }
img { max-width: 100%; } .user { background: #f6f6f6; } .reasoning { color: #555; }
@media print { article { break-inside: avoid-page; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:"
"""The Content-Security-Policy (W3C CSP 3), in the file itself: what a browser has saved comes without headers."""


class HtmlWriter:
    """Writes HTML."""

    def begin(self, title: str) -> str:
        """Return the head of the file."""
        return (
            f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
            f'<meta name="referrer" content="no-referrer">\n'
            f'<meta name="viewport" content="width=device-width">\n'
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        )

    def begin_session(self, session: Session) -> str:
        """Return the heading of a chat."""
        return f'<h1 dir="auto">{escape(session.title or UNTITLED)}</h1>\n'

    def message(self, message: Message) -> Iterable[Piece]:
        """Return a message."""
        yield f'<article class="{message.role}">\n<h2>{SPEAKERS[message.role]}</h2>\n'
        yield f"<time>{escape(message.created_at)}</time>\n"
        for part in message.parts:
            yield from _part(part)
        yield "</article>\n"

    def end_session(self) -> str:
        """Return nothing: the next heading ends a chat."""
        return ""

    def end(self) -> str:
        """Return the end of the file."""
        return "</body>\n</html>\n"


def _part(part: Part) -> Iterator[Piece]:
    match part:
        case TextPart() | RefusalPart():
            yield f'<p dir="auto">{escape(part.text)}</p>\n'
        case ReasoningPart():
            yield f'<p dir="auto" class="reasoning">{escape(part.text)}</p>\n'
        case ToolCallPart():
            result = part.error.message if part.error else msgspec.json.encode(part.output).decode()
            yield f"<pre>{escape(part.name)}({escape(part.arguments_text)})\n{escape(result)}</pre>\n"
        case _:
            pass  # the seams within an answer
    for file in files_in(part):
        yield from _file(file)


def _file(file: FilePart) -> Iterator[Piece]:
    name = escape(describe_file(file))
    if file.media_type in PICTURES:
        yield f'<p><img alt="{name}" src="data:{escape(file.media_type)};base64,'
        yield file
        yield '"></p>\n'
    yield f"<p>[{name}]</p>\n"
