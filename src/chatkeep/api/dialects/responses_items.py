"""Items of the Responses API: messages, reasoning, calls and outputs, as objects and with their ids. Pure.

The id of an item is made of the id of our message and the index of our part: `msg_MESSAGE_0`. So an item has the same
id in a stream, in a response, and in a conversation.
"""

from typing import Any, Literal, NamedTuple, TypeAlias

from chatkeep import ids
from chatkeep.api.dialects.agui_stream import to_content
from chatkeep.api.dialects.ui_parts import error_text
from chatkeep.chat.types import CallError, CallState

Item: TypeAlias = dict[str, Any]
ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]
ItemPrefix: TypeAlias = Literal["msg", "rs", "fc", "fco"]

FORMAT_PREFIX = "reply_as_"
"""The beginning of the name of the reply function that stands for `text.format`."""


class ItemId(NamedTuple):
    """The parts of an item's id: its kind, our message, and the index of our part; None for a whole message."""

    prefix: str
    message_id: str
    part: int | None


def item_id(prefix: ItemPrefix, message_id: str, index: int | None = None) -> str:
    """Return the id of the item that the part at `index` of a message is; without one, of the whole message."""
    return f"{prefix}_{message_id}" if index is None else f"{prefix}_{message_id}_{index}"


def parse_item_id(text: str) -> ItemId | None:
    """Return the parts of an item's id; None if `text` is none."""
    prefix, _, rest = text.partition("_")
    message, _, index = rest.partition("_")
    message_id = ids.parse(message)
    if message_id is None or (index and not (index.isascii() and index.isdecimal() and len(index) < 10)):
        return None
    return ItemId(prefix, message_id, int(index) if index else None)


def is_format(kind: str | None, name: str) -> bool:
    """Return True for a call that is the answer in the form that `text.format` asks for."""
    return kind == "reply" and name.startswith(FORMAT_PREFIX)


def text_part(text: str) -> Item:
    """Return text of the model as content of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal_part(text: str) -> Item:
    """Return the model's words for declining as content of a message."""
    return {"type": "refusal", "refusal": text}


def summary_part(text: str) -> Item:
    """Return the model's thinking aloud as a part of a reasoning's summary."""
    return {"type": "summary_text", "text": text}


def message_item(id_: str, status: ItemStatus, *content: Item) -> Item:
    """Return a message of the model."""
    return {"type": "message", "id": id_, "status": status, "role": "assistant", "content": list(content)}


def input_message(id_: str, content: list[Item]) -> Item:
    """Return a message of the user."""
    return {"type": "message", "id": id_, "status": "completed", "role": "user", "content": content}


def reasoning_item(id_: str, *summary: Item) -> Item:
    """Return a reasoning. It stands in the summary, which all clients show."""
    return {"type": "reasoning", "id": id_, "summary": list(summary)}


def call_item(id_: str, call_id: str, name: str, arguments: str, status: ItemStatus) -> Item:
    """Return a call of a function."""
    fields = {"call_id": call_id, "name": name, "arguments": arguments, "status": status}
    return {"type": "function_call", "id": id_, **fields}


def output_item(id_: str, call_id: str, state: CallState, output: Any, error: CallError | None) -> Item:
    """Return what came of a call that has ended."""
    status: ItemStatus = "completed" if state in ("succeeded", "failed") else "incomplete"
    text = to_content(output) if state == "succeeded" else error_text(state, error)
    return {"type": "function_call_output", "id": id_, "call_id": call_id, "output": text, "status": status}
