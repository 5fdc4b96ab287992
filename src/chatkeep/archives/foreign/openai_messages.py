"""A list of messages in the form of OpenAI's Chat Completions: `[…]`, or `{"messages": […]}` with a title perhaps.

It has no ids and no times. So a conversation's id is the hash of what is in it, and the same list is the same session.
"""

import hashlib
from typing import Any

import msgspec

from chatkeep.archives.foreign.trees import Conversation, Node, text_parts, texts_in, to_node
from chatkeep.archives.report import Omission


class OpenAIMessage(msgspec.Struct):
    """A message."""

    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[Any] | None = None


class OpenAIMessages(msgspec.Struct):
    """A conversation."""

    messages: list[OpenAIMessage]
    title: str | None = None


def read(raw: bytes) -> Conversation:
    """Return a conversation. Each message follows the one before it.

    Raises:
        msgspec.MsgspecError: it has another form.
    """
    if raw.startswith(b"["):
        found = OpenAIMessages(msgspec.json.decode(raw, type=list[OpenAIMessage]))
    else:
        found = msgspec.json.decode(raw, type=OpenAIMessages)
    old_id = hashlib.sha256(msgspec.json.encode(found)).hexdigest()
    nodes = [_to_node(number, message) for number, message in enumerate(found.messages, 1)]
    return Conversation("openai", old_id, found.title, None, None, nodes)


def _to_node(number: int, message: OpenAIMessage) -> Node:
    node_id, parent_id = str(number), str(number - 1) if number > 1 else None
    omissions = [Omission("part", node_id, "tool") for _ in message.tool_calls or []]
    texts = texts_in(node_id, message.content, omissions)
    if message.role not in ("user", "assistant"):
        is_system = message.role in ("system", "developer")
        return Node(node_id, parent_id, "system" if is_system else "tool", omissions)
    role = "user" if message.role == "user" else "assistant"
    return to_node(node_id, parent_id, role, text_parts("\n\n".join(texts)), None, omissions)
