"""Reads our own archive: a line at a time, each of bounded length. A line that is not understood is an omission."""

import re
from collections.abc import Iterator
from typing import IO, Any, TypeAlias

import msgspec

from chatkeep.archives.lines import Line
from chatkeep.archives.report import Omission
from chatkeep.text import clean_json

Item: TypeAlias = Line | Omission
"""A line, or something that is not taken."""

MAX_LINE_BYTES = 67_108_864
"""The longest line that is read: eight times the longest answer (`CHATKEEP_MAX_ANSWER_BYTES`), as JSON may escape."""
_decode_line: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_SUSPICIOUS = re.compile(rb'\\u|"tool_call"|"provider_state"|"params"')
"""Lines that may have characters that no database stores, or are nested too deeply."""


def read_lines(file: IO[bytes]) -> Iterator[Item]:
    """Yield the lines of an archive from the file's place on."""
    number = 0
    while raw := file.readline(MAX_LINE_BYTES):
        number += 1
        if len(raw) == MAX_LINE_BYTES and not raw.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield Omission("line", f"line {number}", "too_long")
        elif raw.strip():
            yield parse_line(raw, number)


def parse_line(raw: bytes, number: int) -> Item:
    """Return what is in a line. `number` names it in the report."""
    try:
        if not _SUSPICIOUS.search(raw):
            return _decode_line.decode(raw)
        value: Any = clean_json(msgspec.json.decode(raw))
        return msgspec.convert(value, Line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Omission(*_describe(raw, number), "not_understood")


def _describe(raw: bytes, number: int) -> tuple[Any, str]:
    """Return the kind of a line that is wrong, and a name for it."""
    match = re.match(rb'\{"type":"(session|message|run|file|fact)","id":"([0-9a-f-]{36})"', raw)
    return (match[1].decode(), match[2].decode()) if match else ("line", f"line {number}")
