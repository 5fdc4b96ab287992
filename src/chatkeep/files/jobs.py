"""Jobs of the process that reads files, and its answers: values, and their frames on a pipe. Pure.

A frame is 4 bytes with the length of the rest (big-endian), and the rest as MessagePack.
"""

from typing import Literal, TypeAlias

import msgspec

JobKind: TypeAlias = Literal["inspect", "thumbnail", "picture", "document"]
"""To find out size and type; to make a small picture; to make one for a model; to read a document's text."""

LENGTH_BYTES = 4
MAX_PICTURE_PIXELS = 50_000_000
"""The most pixels of a picture that is decoded: some 200 MB of memory."""
MAX_PICTURE_EDGE = 1_568
"""The longest edge of a picture for a model, in pixels. Providers scale down what is larger (Anthropic, "Vision")."""
MAX_TEXT_BYTES = 262_144
"""The most text of a file that goes into a prompt, in bytes of UTF-8."""
MAX_PAGES = 1_000
"""The most pages of a document that are read."""
MAX_PAGE_PICTURES = 10
"""The most pages without text of which a model gets pictures."""


class Job(msgspec.Struct, frozen=True):
    """A job: the kind, and the file that it is done on. `edge` is the longest edge of a thumbnail, in pixels."""

    kind: JobKind
    media_type: str
    content: bytes
    edge: int = MAX_PICTURE_EDGE


class Answer(msgspec.Struct, frozen=True):
    """The answer to a job. `problem`: why the file cannot be read, for the user.

    `media_type` is that of a picture that was inspected or made. `texts` are those of the first pages, `pictures` what
    was made: one picture, or those of pages that have no text (`picture_pages` are their numbers, from 1). `left_out`
    are the things of a document that are in neither, with the reasons, for the model.
    """

    problem: str | None = None
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    pages: int | None = None
    texts: list[str] = []
    left_out: list[str] = []
    pictures: list[bytes] = []
    picture_pages: list[int] = []


_encode = msgspec.msgpack.encode
job_from = msgspec.msgpack.Decoder(Job).decode
answer_from = msgspec.msgpack.Decoder(Answer).decode


def to_frame(value: Job | Answer) -> bytes:
    """Return the frame of a value."""
    data = _encode(value)
    return len(data).to_bytes(LENGTH_BYTES) + data
