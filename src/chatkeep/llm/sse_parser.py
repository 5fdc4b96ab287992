"""Bytes of an event stream (WHATWG HTML §9.2) to chunks. Everything that one read completed is decoded at once.

Lines end with LF, CRLF or CR and nothing else: U+2028 and U+0085 stand unescaped inside the JSON of some
servers, and a `splitlines` that knows them would tear it.
"""

import json
from typing import Any

import msgspec

from chatkeep.errors import ModelProtocol, TurnFailed
from chatkeep.llm.chunks import Chunk
from chatkeep.llm.provider_errors import error_from_frame

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Bytes of one event; a provider that sends more without an end is not understood."""

_decode = msgspec.json.Decoder(Chunk).decode
_decode_lines = msgspec.json.Decoder(Chunk).decode_lines
_BOM = b"\xef\xbb\xbf"
_DATA = b"data: "
_NEXT = b"\n\n" + _DATA
_DONE = _NEXT + b"[DONE]"
_FIELDS = {b"data", b"event", b"id", b"retry", b""}


class SseParser:
    """Feed it what was read. `done` after `[DONE]`, or when it was told to `finish`; `failure` is what ended the stream
    early, to be raised.
    """

    __slots__ = ("_has_begun", "_has_seen_data", "_has_seen_other", "_key", "_pieces", "_rest", "done", "failure")

    def __init__(self, key: str | None = None) -> None:
        """`key`: what must not appear in any message."""
        self.done = False
        self.failure: TurnFailed | None = None
        self._key = key
        self._rest: bytes = b""
        self._pieces: list[bytes] = []  # pieces of a long event, after `_rest`: joined when its end may be there
        self._has_begun = False
        self._has_seen_data = False
        self._has_seen_other = False

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes, up to a failure."""
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
            held = b"\r" if buffer.endswith(b"\r") else b""  # half a CRLF, perhaps
            buffer = buffer.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        end = buffer.rfind(b"\n\n")
        if end < 0:
            self._rest = buffer
            if len(buffer) > MAX_FRAME_BYTES:
                self.failure = ModelProtocol("the provider sent an event without an end")
            return []
        self._rest = buffer[end + 2 :]
        return self._parse_plain_events(buffer[:end]) or self._parse_frames(buffer[:end].split(b"\n\n"))

    def finish(self) -> list[Chunk]:
        """The chunks of a last event that was not closed by an empty line, if it is whole."""
        self.done = True
        chunks = self._parse_frames([b"".join([self._rest, *self._pieces]).strip(b"\r\n")])
        if isinstance(self.failure, ModelProtocol):
            self.failure = None  # half an event at the end says only that the stream was cut
        if self._has_seen_other and not self._has_seen_data:
            self.failure = ModelProtocol("the provider did not answer with an event stream")
        return chunks

    def _parse_plain_events(self, events: bytes) -> list[Chunk]:
        """The chunks of events that are one line of data each, as nearly all are; none if there is any other.

        They need not be looked at one by one: half the cost of decoding them, when a read brings a hundred.
        """
        done = events.endswith(_DONE)
        events = events.removesuffix(_DONE)
        lines = events.removeprefix(_DATA).replace(_NEXT, b"\n")
        try:
            chunks = _decode_lines(lines)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return []
        if len(events) - len(lines) != len(chunks) * (len(_NEXT) - 1) - 1:  # not every chunk had a `data: ` of its own
            return []
        self._has_seen_data, self.done = True, done
        return self._until_error(chunks)

    def _parse_frames(self, frames: list[bytes]) -> list[Chunk]:
        payloads: list[bytes] = []
        for frame in frames:
            payload, is_error = self._payload(frame)
            if not payload:
                continue
            self._has_seen_data = True
            if payload == b"[DONE]":
                self.done = True
                break
            payloads.append(b'{"error":' + payload + b"}" if is_error else payload)
        return self._until_error(self._decode_all(payloads))

    def _payload(self, frame: bytes) -> tuple[bytes, bool]:
        """An event's data, and whether it is an error by its `event:` line alone."""
        data: list[bytes] = []
        name = b""
        for line in frame.split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"data":
                data.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
            self._has_seen_other = self._has_seen_other or field not in _FIELDS
        # The lines are joined by a blank, not by LF: in JSON the two are the same, and one payload stays one line.
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

    def _until_error(self, chunks: list[Chunk]) -> list[Chunk]:
        for number, chunk in enumerate(chunks):
            if chunk.error is not None:
                self.failure = error_from_frame(chunk.error, self._key)
                return chunks[:number]
        return chunks


def _decode_leniently(payload: bytes) -> Chunk:
    """One chunk that the fast way refused: invalid UTF-8, half a surrogate pair, numbers as strings.

    Raises:
        ValueError: it is not JSON, or not a chunk.
    """
    try:
        return _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        value: Any = json.loads(payload.decode("utf-8", "replace"))
        return msgspec.convert(value, Chunk, strict=False)
