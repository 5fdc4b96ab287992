"""Reads conversations of other services from JSON: finds out whose each is, by its fields."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import IO

import msgspec

from chatkeep.archives.foreign import chatgpt, claude, librechat, open_webui, openai_messages
from chatkeep.archives.foreign.splitting import MAX_VALUE_BYTES, split_values
from chatkeep.archives.foreign.trees import Conversation, to_items
from chatkeep.archives.reading_lines import Item
from chatkeep.archives.report import Omission
from chatkeep.text import clean_json

_HEAD_BYTES = 4_096
_ABSENT = msgspec.Raw()


class _Fields(msgspec.Struct, rename="camel"):
    """The fields by which conversations are told apart."""

    mapping: msgspec.Raw = _ABSENT
    chat_messages: msgspec.Raw = msgspec.field(default=_ABSENT, name="chat_messages")
    chat: msgspec.Raw = _ABSENT
    conversation_id: msgspec.Raw = _ABSENT
    messages: msgspec.Raw = _ABSENT


READERS: Mapping[str, Callable[[bytes], Conversation]] = MappingProxyType(
    {
        "chatgpt": chatgpt.read,
        "claude": claude.read,
        "open-webui": open_webui.read,
        "librechat": librechat.read,
        "openai": openai_messages.read,
    }
)
"""The readers of a conversation, by the service whose it is."""
_decode_fields = msgspec.json.Decoder(_Fields).decode


def find_source(raw: bytes) -> str | None:
    """Return whose conversation it is; None if that is not known."""
    try:
        fields = _decode_fields(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if fields.mapping is not _ABSENT:
        return "chatgpt"
    if fields.chat_messages is not _ABSENT:
        return "claude"
    if fields.chat is not _ABSENT:
        return "open-webui"
    if fields.messages is not _ABSENT:
        return "librechat" if fields.conversation_id is not _ABSENT else "openai"
    return None


_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


def without_half_pairs(raw: bytes) -> bytes:
    """Return JSON without lone halves of surrogate pairs: where there is one, msgspec reads nothing.

    JSON that Python's own parser does not read either stays as it is.
    """
    if not _HALF_PAIR.search(raw):
        return raw
    try:
        return msgspec.json.encode(clean_json(json.loads(raw)))
    except (ValueError, RecursionError):
        return raw


def open_json(file: IO[bytes], assistant: str) -> tuple[str, Iterator[Item]] | None:
    """Return whose conversations are in `file`, and their items; None if there are none. The file can be sought."""
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if re.match(rb'\s*\[\s*\{\s*"(role|content)"', head):
        return "openai", _read_one_list(file, assistant)
    base = 1 if head.lstrip().startswith(b"[") else 0
    first = next(split_values(file, base), None)
    source = find_source(without_half_pairs(first)) if isinstance(first, bytes) else None
    file.seek(0)
    return (source, read_conversations(file, base, assistant)) if source else None


def _read_one_list(file: IO[bytes], assistant: str) -> Iterator[Item]:
    raw = file.read(MAX_VALUE_BYTES + 1).strip()
    if len(raw) > MAX_VALUE_BYTES:
        yield Omission("session", "1", "too_long")
    else:
        yield from _to_items(without_half_pairs(raw), "openai", 1, assistant)


def read_conversations(file: IO[bytes], base: int, assistant: str) -> Iterator[Item]:
    """Yield the items of all conversations in `file`; `base` is 1 if they are the entries of a list, else 0."""
    for number, raw in enumerate(split_values(file, base), 1):
        if isinstance(raw, bytes):
            whole = without_half_pairs(raw)
            yield from _to_items(whole, find_source(whole), number, assistant)
        else:
            yield Omission("session", str(number), raw)


def _to_items(raw: bytes, source: str | None, number: int, assistant: str) -> Iterator[Item]:
    try:
        conversation = READERS[source](raw) if source is not None else None
    except (msgspec.MsgspecError, RecursionError):
        conversation = None
    if conversation is None:
        yield Omission("session", str(number), "not_understood")
    else:
        yield from to_items(conversation, assistant)
