"""The `input` of a response: a text, or items; and which of them are new.

Clients send new items alone, or all items so far. An item that came from here has our id, so the last one of them says
to which answer the new ones belong, as in the other dialects: the history is the one that is kept here.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from chatkeep.api.dialects.bodies import MAX_INLINE_BYTES
from chatkeep.api.dialects.openai_content import decode_texts, texts_of
from chatkeep.api.dialects.responses_items import parse_item_id
from chatkeep.errors import InvalidRequest

_NULL = msgspec.Raw(b"null")
_MADE_HERE = ("item_reference", "function_call", "function_call_output", "reasoning")
"""Types of items of answers, if they have an id of ours: a client's own output has none."""


class InputItem(msgspec.Struct):
    """An item of the input, of any type; `at` is its place in it."""

    type: str = "message"
    role: str = ""
    id: str | None = None
    content: msgspec.Raw = _NULL
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: msgspec.Raw = _NULL
    encrypted_content: str | None = None
    at: int = 0


class NewInput(NamedTuple):
    """The new items of an input.

    `answer_id` is our id of the last answer among the items, if there is one; `items` are those after it, `all_items`
    those without reasoning, and without the words of the system, which are `instructions`. `references` name items that
    the client has not sent along.
    """

    answer_id: str | None
    items: Sequence[InputItem]
    all_items: Sequence[InputItem]
    instructions: Sequence[str]
    references: Sequence[str]


async def read_input(raw: msgspec.Raw) -> NewInput:
    """Return the new items of `input`.

    Raises:
        InvalidRequest: it is neither a text nor a list of items, or an item is of a kind that is not known here.
    """
    is_large = len(bytes(raw)) > MAX_INLINE_BYTES
    value = await asyncio.to_thread(_decode, raw) if is_large else _decode(raw)
    if value is None:
        raise InvalidRequest("input: a text, or a list of items")
    if isinstance(value, str):
        value = [InputItem(role="user", content=msgspec.Raw(msgspec.json.encode(value)))]
    answer_id, begin, items, instructions = None, 0, list[InputItem](), list[str]()
    for at, item in enumerate(value):
        item.at = at
        if known := _answer_of(item):
            answer_id, begin = known, len(items) + (item.type not in ("item_reference", "reasoning"))
        if item.type == "message" and item.role in ("system", "developer"):
            instructions.append(text_of(item))
        elif item.type not in ("reasoning", "item_reference"):
            _check_type(item)
            items.append(item)
    references = [item.id or "" for item in value if item.type == "item_reference"]
    return NewInput(answer_id, items[begin:], items, instructions, references)


def text_of(item: InputItem) -> str:
    """Return the text of a message that is not the user's.

    Raises:
        InvalidRequest: it has parts that are no text.
    """
    return texts_of(decode_texts(f"input[{item.at}].content", item.content))


def outputs_of(items: Sequence[InputItem]) -> list[dict[str, Any]]:
    """Return the outputs of calls among `items`, as our own API takes them.

    Raises:
        InvalidRequest: the output of one is neither a text nor a list of texts.
    """
    found: list[dict[str, Any]] = []
    for item in items:
        if item.type == "function_call_output":
            if bytes(item.output) == b"null":
                raise InvalidRequest(f"input[{item.at}].output: a text, or a list of texts")
            text = texts_of(decode_texts(f"input[{item.at}].output", item.output))
            found.append({"call_id": item.call_id, "output": text})
    return found


def _decode(raw: msgspec.Raw) -> str | list[InputItem] | None:
    try:
        return msgspec.json.decode(raw, type=str | list[InputItem] | None)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"input: {error}") from error


def _answer_of(item: InputItem) -> str | None:
    """Return the id of our message that the item is of, if the model made it."""
    found = parse_item_id(item.id) if item.id else None
    is_made = item.type in _MADE_HERE or item.role == "assistant"
    return found.message_id if found is not None and found.part is not None and is_made else None


def _check_type(item: InputItem) -> None:
    known = ("message", "function_call", "function_call_output", "compaction")
    if item.type not in known:
        raise InvalidRequest(f"input[{item.at}].type: {item.type!r} is not known here; {', '.join(known)} are")
    if item.type == "message" and item.role not in ("user", "assistant"):
        raise InvalidRequest(f"input[{item.at}].role: user, assistant, system or developer")
