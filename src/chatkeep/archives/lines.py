"""The lines of an archive of ours (JSON Lines, `docs/archives.md`): one value each, told apart by `type`.

    chatkeep.export                      first; there is no time in it, so that equal contents are equal bytes
    fact …
    file, file.bytes …                   before the first message that refers to it
    session, message …, run …, session.end
    end                                  last: without it the archive is cut off

Messages and runs are as the HTTP API has them. A session without its `session.end` is cut off.
"""

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from chatkeep.chat.types import Fact, File, Message, Run, Session, Value
from chatkeep.tools.names import NAME_REGEX

VERSION = 1
"""The version of the form. A reader refuses one that it does not know."""
FIRST = "chatkeep.export"
"""The `type` of the first line, by which an archive is known."""
_encode = msgspec.json.encode
_Key: TypeAlias = Annotated[str, Meta(max_length=64)]
_Text: TypeAlias = Annotated[str, Meta(max_length=512)]


class HeadLine(Value, frozen=True, tag=FIRST):
    """The first line."""

    version: int


class FactLine(Value, frozen=True, tag="fact"):
    """A fact."""

    id: str
    text: str
    created_at: str


class FileLine(Value, frozen=True, tag="file"):
    """A file, whose bytes come in the next lines."""

    id: str
    name: str
    media_type: str
    bytes: int


class BytesLine(Value, frozen=True, tag="file.bytes"):
    """The next bytes of the file before, in base64."""

    file_id: str
    content: bytes


class SessionLine(Value, frozen=True, tag="session"):
    """A session, whose messages and runs come in the next lines. Its fields, and their bounds, are those of the API."""

    id: str
    title: Annotated[str, Meta(max_length=200)] | None
    assistant: Annotated[str, Meta(pattern=NAME_REGEX)]
    model: Annotated[str, Meta(min_length=1, max_length=200)] | None
    metadata: Annotated[dict[_Key, _Text], Meta(max_length=16)]
    params: dict[str, Any]
    instructions: Annotated[str, Meta(max_length=8_000)] | None
    head_id: str | None
    created_at: str
    updated_at: str


class MessageLine(Message, frozen=True, tag="message"):
    """A message of the session before, all branches by `seq`."""


class RunLine(Run, frozen=True, tag="run"):
    """A run of the session before, by its number."""


class SessionEndLine(Value, frozen=True, tag="session.end"):
    """The end of a session, and how many messages and runs it has."""

    id: str
    messages: int
    runs: int


class EndLine(Value, frozen=True, tag="end"):
    """The end of the archive, and how many sessions, files and facts it has."""

    sessions: int
    files: int
    facts: int


Line: TypeAlias = (
    HeadLine | FactLine | FileLine | BytesLine | SessionLine | MessageLine | RunLine | SessionEndLine | EndLine
)


def fact_line(fact: Fact) -> FactLine:
    """Return a fact as a line."""
    return FactLine(fact.id, fact.text, fact.created_at)


def file_line(file: File) -> FileLine:
    """Return a file as a line. What follows from its bytes is left out, and so is the time when it came here."""
    return FileLine(file.id, file.name, file.media_type, file.bytes)


def session_line(session: Session) -> SessionLine:
    """Return a session as a line."""
    return SessionLine(**{name: getattr(session, name) for name in SessionLine.__struct_fields__})


def to_json(line: Line) -> bytes:
    """Return a line, with its line feed."""
    return _encode(line) + b"\n"


def message_to_json(message: Message) -> bytes:
    """Return a message as a line, without building another value: there are many."""
    return b'{"type":"message",' + _encode(message)[1:] + b"\n"


def run_to_json(run: Run) -> bytes:
    """Return a run as a line."""
    return b'{"type":"run",' + _encode(run)[1:] + b"\n"
