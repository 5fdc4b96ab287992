"""Parses the event stream of the Chat Completions API; see `sse_parser.py` for its frames.

1. All frames that a read completes are decoded together. Most are one `data` line each: these are decoded as lines of
   JSON in one call. If any of them is not, the fields of each frame are read first.
2. A frame that reports an error ends the stream with a failure, also beside `choices` or in one of them.
3. An answer that says nothing in a form that is read, but has text (`llm/unread.py`), is a failure.
4. A body that is one JSON value with `choices` is one chunk.
"""

from typing import Any

import msgspec

from chatkeep.errors import ModelProtocol
from chatkeep.llm.chunks import Chunk
from chatkeep.llm.odd_chunks import make_readable
from chatkeep.llm.payloads import PayloadDecoder
from chatkeep.llm.provider_errors import error_from_frame
from chatkeep.llm.sse_parser import NOT_UNDERSTOOD, SseParser, read_json
from chatkeep.llm.unread import has_unread, says_something

_decoder = PayloadDecoder(Chunk, make_readable)
_DATA = b"data: "
_NEXT_DATA = b"\n\n" + _DATA
_DONE = _NEXT_DATA + b"[DONE]"


class CompletionsParser(SseParser):
    """Parses one body of the Chat Completions API."""

    __slots__ = ("_has_unread", "_is_silent")

    def __init__(self, key: str | None = None) -> None:
        """See `SseParser`."""
        super().__init__(key)
        self._is_silent = True  # nothing was said yet in a form that is read
        self._has_unread = False

    @property
    def _is_unreadable(self) -> bool:
        return self._is_silent and self._has_unread

    def _parse_frames(self, frames: bytes) -> list[Chunk]:
        """Return the chunks of `frames`, together if they are one `data` line each, as nearly all are.

        These need not be parsed one by one. That halves the time to decode them when a read brings a hundred.
        """
        is_done = frames.endswith(_DONE)
        plain = frames.removesuffix(_DONE)
        lines = plain.removeprefix(_DATA).replace(_NEXT_DATA, b"\n")
        try:
            chunks = _decoder.decode_lines(lines)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._parse_each_frame(frames)
        # The first frame lost `data: `, each other one all of `_NEXT_DATA` but a byte. Else one of them was not plain.
        if len(plain) - len(lines) != len(chunks) * (len(_NEXT_DATA) - 1) - 1:
            return self._parse_each_frame(frames)
        self._has_seen_data, self.done = True, is_done
        return self._check(chunks, lines)

    def _parse_payloads(self, payloads: list[bytes]) -> list[Chunk]:
        return self._check(self._decode(payloads), b"\n".join(payloads))

    def _parse_answer(self, answer: Any, body: bytes) -> list[Chunk] | None:
        if not isinstance(answer, dict) or "choices" not in answer:
            return None
        if not answer["choices"]:
            self.failure = ModelProtocol("the provider did not answer with an event stream")
            return []
        return self._parse_payloads([b" ".join(body.splitlines())])

    def _decode(self, payloads: list[bytes]) -> list[Chunk]:
        chunks = _decoder.decode(payloads)
        if len(chunks) < len(payloads):
            self.failure = ModelProtocol(NOT_UNDERSTOOD)
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
            self._has_unread = any(has_unread(read_json(line)) for line in payloads.split(b"\n"))
        if self._is_silent and self._has_unread and self.done and self.failure is None:
            self.failure = ModelProtocol("the provider answered in a form that is not understood")
