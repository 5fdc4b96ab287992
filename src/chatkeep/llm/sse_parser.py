"""Splits the bytes of a provider's event stream (WHATWG HTML §9.2) into frames, whatever API they belong to.

    data: {"choices":…}      a frame: the lines of one event
                             the empty line that ends it
    data: {"choices":…}      a frame

    data: {"choi             the rest: here the read ended

1. A read may end anywhere, even inside a character. The rest waits for the next read.
2. Lines end with LF, CRLF or CR, and with nothing else. U+2028 and U+0085 stand unescaped inside the JSON of some
   servers, and `splitlines` would break a line there.
3. `[DONE]` ends the stream: nothing after it counts.
4. A frame that is not understood, or that reports an error, ends the stream with a failure. The chunks before it count.
5. Half a frame at the end of the body is no failure: it only says that the stream was cut.
6. A body with other lines and no `data` at all, such as an HTML page, is no event stream: a failure. One JSON value is
   read: as the error that it describes, or as an answer that was not streamed.

A parser of one API says what the payloads mean: `completions/parser.py` and `responses/parser.py`.
"""

import json
from abc import ABC, abstractmethod
from typing import Any

from chatkeep.errors import ModelProtocol, TurnFailed
from chatkeep.llm.chunks import Chunk
from chatkeep.llm.provider_errors import error_from_frame

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""The size of the largest frame, in bytes. A provider that sends more without an empty line is not understood."""
MAX_COPIED_BYTES = 64 * MAX_FRAME_BYTES
"""How much is copied, in bytes, to look in vain for the end of a frame: each small read of a large one copies it."""
NOT_UNDERSTOOD = "the provider sent an event that is not understood"
"""The message of a failure for one frame."""

_BOM = b"\xef\xbb\xbf"
_FIELDS = {b"data", b"event", b"id", b"retry", b""}
"""The names of an event stream's fields. A comment is a line with an empty name."""


class SseParser(ABC):
    """Parses one body. `feed` it each read, then `finish` it, unless it is `done` or has a `failure` before.

    `done` is True once the stream says that it has ended, or after `finish`. `failure` is the error that ended the
    stream early, for the caller to raise after it has used the chunks.
    """

    __slots__ = (
        "_copied_bytes",
        "_has_begun",
        "_has_seen_data",
        "_has_seen_other",
        "_key",
        "_pieces",
        "_rest",
        "_waiting_bytes",
        "done",
        "failure",
    )

    def __init__(self, key: str | None = None) -> None:
        """`key` is the provider's API key, which never appears in the message of a failure."""
        self.done = False
        self.failure: TurnFailed | None = None
        self._key = key
        self._rest: bytes = b""
        self._pieces: list[bytes] = []  # reads after `_rest`; joined once the frame's end may have come
        self._waiting_bytes = 0  # of `_pieces`
        self._copied_bytes = 0  # for reads that might have ended a frame, but did not
        self._has_begun = False
        self._has_seen_data = False
        self._has_seen_other = False

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the chunks that the bytes `data` complete, up to a failure."""
        ended_with_lf = (self._pieces[-1] if self._pieces else self._rest).endswith(b"\n")
        self._pieces.append(data)
        ends_frame = b"\n\n" in data or b"\r" in data or (ended_with_lf and data.startswith(b"\n"))
        if self._has_begun and not ends_frame:
            self._waiting_bytes += len(data)
            if len(self._rest) + self._waiting_bytes > MAX_FRAME_BYTES:
                self.failure = ModelProtocol("the provider sent an event without an end")
            return []
        buffer = b"".join([self._rest, *self._pieces])
        self._pieces.clear()
        self._waiting_bytes = 0
        if not self._has_begun:
            self._rest = buffer
            if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
                return []
            self._has_begun, buffer = True, buffer.removeprefix(_BOM)
        if b"\r" in buffer:
            held = b"\r" if buffer.endswith(b"\r") else b""  # it may be the first half of a CRLF
            buffer = buffer.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        end = buffer.rfind(b"\n\n")
        if end < 0:
            self._rest = buffer
            self._copied_bytes += len(buffer)
            if len(buffer) > MAX_FRAME_BYTES or self._copied_bytes > MAX_COPIED_BYTES:
                self.failure = ModelProtocol("the provider sent an event without an end")
            return []
        self._rest = buffer[end + 2 :]
        return self._parse_frames(buffer[:end])

    def finish(self) -> list[Chunk]:
        """End the body. Return the chunks of a last frame that is whole, only without its empty line."""
        self.done = True
        rest = b"".join([self._rest, *self._pieces]).strip(b"\r\n")
        if not self._has_seen_data and rest.lstrip().startswith((b"{", b"[")):
            return self._parse_json_body(rest)
        chunks = self._parse_each_frame(rest)
        if isinstance(self.failure, ModelProtocol) and not self._is_unreadable:
            self.failure = None  # half a frame: the stream was cut
        if self._has_seen_other and not self._has_seen_data:
            self.failure = ModelProtocol("the provider did not answer with an event stream")
        return chunks

    @property
    def _is_unreadable(self) -> bool:
        """True if the answer as a whole has a form that is not read."""
        return False

    def _parse_frames(self, frames: bytes) -> list[Chunk]:
        """Return the chunks of `frames`, with LF alone as their lines' ends and empty lines between them."""
        return self._parse_each_frame(frames)

    @abstractmethod
    def _parse_payloads(self, payloads: list[bytes]) -> list[Chunk]:
        """Return the chunks of the data of frames, maybe of none, up to a failure."""

    @abstractmethod
    def _parse_answer(self, answer: Any, body: bytes) -> list[Chunk] | None:
        """Return the chunks of a whole body that is no stream, `answer` being its JSON; None if it is no answer."""

    def _parse_json_body(self, body: bytes) -> list[Chunk]:
        """Return the chunks of a whole body that is JSON and no event stream; a failure if it is an error."""
        value = read_json(body)
        if value is None:
            self.failure = ModelProtocol("the provider did not answer with an event stream")
            return []
        chunks = self._parse_answer(value, body)
        if chunks is None:
            self.failure = error_from_frame(value, self._key)
        return chunks or []

    def _parse_each_frame(self, frames: bytes) -> list[Chunk]:
        payloads: list[bytes] = []
        is_done = False
        for frame in frames.split(b"\n\n"):
            payload, is_error = self._read_frame(frame)
            if not payload:
                continue
            self._has_seen_data = True
            if payload == b"[DONE]":
                is_done = True
                break
            payloads.append(b'{"error":' + payload + b"}" if is_error else payload)
        self.done = self.done or is_done
        return self._parse_payloads(payloads)

    def _read_frame(self, frame: bytes) -> tuple[bytes, bool]:
        """Return a frame's data, and True if only its `event` line says that it is an error."""
        data: list[bytes] = []
        name = b""
        for line in frame.split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"data":
                data.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
            self._has_seen_other = self._has_seen_other or field not in _FIELDS
        # Joined by a space, not by LF: JSON treats both alike, and `decode_lines` needs one line for each payload.
        payload = b" ".join(data).strip()
        return payload, name == b"error" and not payload.startswith(b'{"error"')


def read_json(text: bytes) -> Any:
    """Return the JSON value `text`, with U+FFFD for invalid UTF-8; None if it is none."""
    try:
        return json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
