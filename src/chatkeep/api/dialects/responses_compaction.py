"""A compacted history, and the item with its summary, which a client sends in place of what was said. Pure.

`encrypted_content` is the summary in base64. Clients take it for opaque; it is no secret, as it is made of their words.
"""

import base64
from collections.abc import Sequence
from typing import Any

from chatkeep import clock, ids
from chatkeep.api.dialects.bodies import decode_content
from chatkeep.api.dialects.openai_usage import response_usage
from chatkeep.api.dialects.responses_input import InputItem
from chatkeep.api.dialects.responses_items import Item, input_message
from chatkeep.chat.texts import join_texts
from chatkeep.chat.types import Message, Run
from chatkeep.errors import InvalidRequest
from chatkeep.text import clean

_BEFORE = "In short, what was said before:\n\n"
"""Stands before a summary where a model reads it."""


def to_compaction(items: Sequence[InputItem], run: Run, message: Message) -> dict[str, Any]:
    """Return the history of `items`, compacted. Its summary is `message`, the answer of `run`, which has ended."""
    content = base64.b64encode(join_texts(message.parts, "\n\n").encode()).decode()
    summary: Item = {"type": "compaction", "id": f"cmp_{ids.new()}", "encrypted_content": content}
    return {
        "id": f"resp_{run.id}",
        "object": "response.compaction",
        "created_at": int(clock.parse(run.created_at).timestamp()),
        "output": [*(_kept(each) for each in items if each.role == "user"), summary],
        "usage": response_usage(run.usage),
    }


def read_summary(item: InputItem) -> str:
    """Return the summary of a compaction, as a model reads it.

    Raises:
        InvalidRequest: the item was not made here.
    """
    try:
        return _BEFORE + clean(base64.b64decode(item.encrypted_content or "", validate=True).decode())
    except ValueError as error:
        raise InvalidRequest(f"input[{item.at}].encrypted_content: not of a compaction that was made here") from error


def _kept(item: InputItem) -> Item:
    content: str | list[Item] = decode_content(f"input[{item.at}].content", item.content, str | list[Item])
    parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
    return input_message(f"msg_{ids.new()}", parts)
