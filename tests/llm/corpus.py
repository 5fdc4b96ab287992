"""Reads a recorded body as `OpenAIModel` and the turn do, whatever its API."""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import msgspec

from chatkeep.chat import event_log
from chatkeep.chat.events import Event
from chatkeep.chat.types import Kind
from chatkeep.llm.assembler import Assembler
from chatkeep.llm.chunks import TokenCounts
from chatkeep.llm.sse_parser import SseParser

KINDS: dict[str, Kind] = {"tell_joke": "reply"}


class ParsedBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The content of a body: its merged events; generated call ids are counted as `ours_1`, `ours_2`, …

    `states` is what the provider wants back, with the indexes of its parts.
    """

    events: list[Event]
    finish_reason: str | None
    failure: str | None = None
    usage: TokenCounts | None = None
    states: list[tuple[int, dict[str, Any]]] = []


def read_body(pieces: Iterable[bytes], make_parser: Callable[[], SseParser]) -> ParsedBody:
    """Parse `pieces` one after the other, as `OpenAIModel` does."""
    numbers = count(1)
    parser = make_parser()
    assembler = Assembler(0, KINDS.get, set(), new_id=lambda: f"ours_{next(numbers)}")
    events: list[Event] = []
    for piece in pieces:
        events += assembler.read(parser.feed(piece))
        if parser.failure is not None or parser.done:
            break
    else:
        events += assembler.read(parser.finish())
    events += assembler.finish()
    failure = parser.failure.code if parser.failure else None
    return ParsedBody(
        event_log.merge(events), assembler.finish_reason, failure, assembler.tokens, assembler.take_states()
    )
