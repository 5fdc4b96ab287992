"""Decodes the payloads of an event stream, all at once where that is possible. Pure."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)
_STRICT_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Errors of strict decoding, for bytes that lenient decoding may understand."""


class PayloadDecoder(Generic[T]):
    """Decodes payloads, each the JSON of one `kind`. `decode_lines` is strict, for lines of them."""

    def __init__(self, kind: type[T], repair: Callable[[Any], Any] = lambda value: value) -> None:
        """`repair` is given the JSON value of a payload that strict decoding refuses, and makes it fit `kind`."""
        decoder = msgspec.json.Decoder(kind)
        self.decode_lines = decoder.decode_lines
        self._decode_one = decoder.decode
        self._kind = kind
        self._repair = repair

    def decode(self, payloads: Sequence[bytes]) -> list[T]:
        """Return the values of `payloads` up to the first that is not understood: then there are fewer."""
        if not payloads:
            return []
        try:
            return self.decode_lines(b"\n".join(payloads))
        except _STRICT_FAULTS:
            return list(self._decode_one_by_one(payloads))

    def _decode_one_by_one(self, payloads: Sequence[bytes]) -> Iterator[T]:
        for payload in payloads:
            try:
                yield self._decode_leniently(payload)
            except (ValueError, RecursionError):
                return

    def _decode_leniently(self, payload: bytes) -> T:
        """Decode a payload with invalid UTF-8, half a surrogate pair, or odd fields.

        Raises:
            ValueError: it is not JSON, or not of this kind.
        """
        try:
            return self._decode_one(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            value: Any = json.loads(payload.decode("utf-8", "replace"))
            return msgspec.convert(self._repair(value), self._kind, strict=False)
