"""Parses the bytes of a provider's event stream (WHATWG HTML §9.2) into chunks.

    data: {"choices":…}      a frame: the lines of one event
                             the empty line that ends it
    data: {"choices":…}      a frame

    data: {"choi             the rest: here the read ended

1. A read may end anywhere, even inside a character. The rest waits for the next read.
2. All frames that a read completes are decoded together. Most are one `data` line each: these are decoded as lines of
   JSON in one call. If any of them is not, the fields of each frame are read first.
3. Lines end with LF, CRLF or CR, and with nothing else. U+2028 and U+0085 stand unescaped inside the JSON of some
   servers, and `splitlines` would break a line there.
4. `[DONE]` ends the stream: nothing after it counts.
5. A frame that is not understood, or that reports an error, ends the stream with a failure. The chunks before it count.
6. Half a frame at the end of the body is no failure: it only says that the stream was cut.
7. A body with other lines and no `data` at all, such as an HTML page, is no event stream: a failure. One JSON value is
   read: as the error that it describes, or as the one chunk of an answer that was not streamed.
8. An answer that says nothing in a form that is read, but has text (`llm/unread.py`), is a failure.
"""

import json
from typing import Any

import msgspec

from chatkeep.errors import ModelProtocol, TurnFailed
from chatkeep.llm.chunks import Chunk
from chatkeep.llm.odd_chunks import make_readable
from chatkeep.llm.provider_errors import error_from_frame
from chatkeep.llm.unread import has_unread, says_something

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""The size of the largest frame, in bytes. A provider that sends more without an empty line is not understood."""

_decode = msgspec.json.Decoder(Chunk).decode
_decode_lines = msgspec.json.Decoder(Chunk).decode_lines
_BOM = b"\xef\xbb\xbf"
_DATA = b"data: "
_NEXT_DATA = b"\n\n" + _DATA
_DONE = _NEXT_DATA + b"[DONE]"
_FIELDS = {b"data", b"event", b"id", b"retry", b""}
"""The names of an event stream's fields. A comment is a line with an empty name."""


class SseParser:
    """Parses one body. `feed` it each read, then `finish` it, unless it is `done` or has a `failure` before.

    `done` is True after `[DONE]` or `finish`. `failure` is the error that ended the stream early, for the caller to
    raise after it has used the chunks.
    """

    __slots__ = (
        "_has_begun",
        "_has_seen_data",
        "_has_seen_other",
        "_has_unread",
        "_is_silent",
        "_key",
        "_pieces",
        "_rest",
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
        self._has_begun = False
        self._has_seen_data = False
        self._has_seen_other = False
        self._is_silent = True  # nothing was said yet in a form that is read
        self._has_unread = False

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the chunks that the bytes `data` complete, up to a failure."""
        self._pieces.append(data)
        if self._has_begun and b"\n" not in data and b"\r" not in data:
            if len(self._rest) + sum(map(len, self._pieces)) > MAX_FRAME_BYTES:
                self.failure = ModelProtocol("the provider sent an event without an end")
            return []
        buffer = b"".join([self._rest, *self._pieces])
        self._pieces.clear()
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
            if len(buffer) > MAX_FRAME_BYTES:
                self.failure = ModelProtocol("the provider sent an event without an end")
            return []
        self._rest = buffer[end + 2 :]
        return self._parse_plain_frames(buffer[:end]) or self._parse_frames(buffer[:end].split(b"\n\n"))

    def finish(self) -> list[Chunk]:
        """End the body. Return the chunk of a last frame that is whole, only without its empty line."""
        self.done = True
        rest = b"".join([self._rest, *self._pieces]).strip(b"\r\n")
        if not self._has_seen_data and rest.lstrip().startswith((b"{", b"[")):
            return self._parse_json_body(rest)
        chunks = self._parse_frames([rest])
        if isinstance(self.failure, ModelProtocol) and not (self._is_silent and self._has_unread):
            self.failure = None  # half a frame: the stream was cut
        if self._has_seen_other and not self._has_seen_data:
            self.failure = ModelProtocol("the provider did not answer with an event stream")
        return chunks

    def _parse_plain_frames(self, frames: bytes) -> list[Chunk]:
        """Return the chunks of `frames` that are one `data` line each, as nearly all are; none if any is not.

        These need not be parsed one by one. That halves the time to decode them when a read brings a hundred.
        """
        is_done = frames.endswith(_DONE)
        frames = frames.removesuffix(_DONE)
        lines = frames.removeprefix(_DATA).replace(_NEXT_DATA, b"\n")
        try:
            chunks = _decode_lines(lines)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return []
        # The first frame lost `data: `, each other one all of `_NEXT_DATA` but a byte. Else one of them was not plain.
        if len(frames) - len(lines) != len(chunks) * (len(_NEXT_DATA) - 1) - 1:
            return []
        self._has_seen_data, self.done = True, is_done
        return self._check(chunks, lines)

    def _parse_json_body(self, body: bytes) -> list[Chunk]:
        """Return the chunk of a whole body that is JSON and no event stream; a failure if it is an error."""
        try:
            value: Any = json.loads(body.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            self.failure = ModelProtocol("the provider did not answer with an event stream")
            return []
        if not isinstance(value, dict) or "choices" not in value:
            self.failure = error_from_frame(value, self._key)
            return []
        if not value["choices"]:
            self.failure = ModelProtocol("the provider did not answer with an event stream")
            return []
        payload = b" ".join(body.splitlines())
        return self._check(self._decode_all([payload]), payload)

    def _parse_frames(self, frames: list[bytes]) -> list[Chunk]:
        payloads: list[bytes] = []
        for frame in frames:
            payload, is_error = self._read_frame(frame)
            if not payload:
                continue
            self._has_seen_data = True
            if payload == b"[DONE]":
                self.done = True
                break
            payloads.append(b'{"error":' + payload + b"}" if is_error else payload)
        return self._check(self._decode_all(payloads), b"\n".join(payloads))

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

    def _decode_all(self, payloads: list[bytes]) -> list[Chunk]:
        if not payloads:
            return []
        try:
            return _decode_lines(b"\n".join(payloads))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._decode_one_by_one(payloads)

    def _decode_one_by_one(self, payloads: list[bytes]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for payload in payloads:
            try:
                chunks.append(_decode_leniently(payload))
            except (ValueError, RecursionError):
                self.failure = ModelProtocol("the provider sent an event that is not understood")
                break
        return chunks

    def _check(self, chunks: list[Chunk], payloads: bytes) -> list[Chunk]:
        """Return `chunks` up to the first that reports an error, which becomes the failure. `payloads` are lines."""
        if self._is_silent:
            self._watch_silence(chunks, payloads)
        for number, chunk in enumerate(chunks):
            if chunk.error is not None:
                self.failure = error_from_frame(chunk.error, self._key)
                return chunks[:number]
            if chunk.choices and chunk.choices[0].error is not None:
                self.failure = error_from_frame(chunk.choices[0].error, self._key)
                return chunks[: number + 1]
        return chunks

    def _watch_silence(self, chunks: list[Chunk], payloads: bytes) -> None:
        """Look for text that is not read while nothing else was said, as in the first chunk or two of an answer."""
        self._is_silent = not any(map(says_something, chunks))
        if self._is_silent and not self._has_unread:
            self._has_unread = any(has_unread(_read_json(line)) for line in payloads.split(b"\n"))
        if self._is_silent and self._has_unread and self.done and self.failure is None:
            self.failure = ModelProtocol("the provider answered in a form that is not understood")


def _read_json(payload: bytes) -> Any:
    try:
        return json.loads(payload.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _decode_leniently(payload: bytes) -> Chunk:
    """Decode a chunk that strict decoding refuses: one with invalid UTF-8, half a surrogate pair, or odd fields.

    Raises:
        ValueError: it is not JSON, or not a chunk.
    """
    try:
        return _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        value: Any = json.loads(payload.decode("utf-8", "replace"))
        return msgspec.convert(make_readable(value), Chunk, strict=False)
