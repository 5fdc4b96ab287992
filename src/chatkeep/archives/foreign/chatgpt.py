"""ChatGPT's export: `conversations.json`, a list of conversations, each with a tree of nodes (`mapping`).

Its form is not documented by OpenAI; this is as exports have it.
"""

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from chatkeep.archives.foreign.trees import Conversation, Node, Time, text_parts, to_node
from chatkeep.archives.report import Omission, Reason


class Author(msgspec.Struct):
    """The author of a message."""

    role: str = ""


class Content(msgspec.Struct):
    """The content of a message. Which fields there are depends on its type."""

    content_type: str = ""
    parts: list[Any] | None = None
    text: str | None = None
    thoughts: list[dict[str, Any]] | None = None


class GptMessage(msgspec.Struct):
    """A message of a node."""

    author: Author = msgspec.field(default_factory=Author)
    create_time: float | None = None
    content: Content = msgspec.field(default_factory=Content)
    recipient: str | None = None
    metadata: dict[str, Any] | None = None


class GptNode(msgspec.Struct):
    """A node of the tree."""

    message: GptMessage | None = None
    parent: str | None = None


class GptConversation(msgspec.Struct):
    """A conversation."""

    mapping: dict[str, GptNode]
    title: str | None = None
    create_time: Time = None
    update_time: Time = None
    current_node: str | None = None
    conversation_id: str | None = None
    id: str | None = None


def read(raw: bytes) -> Conversation:
    """Return a conversation.

    Raises:
        msgspec.MsgspecError: it has another form.
    """
    found = msgspec.json.decode(raw, type=GptConversation)
    nodes = [_to_node(node_id, node) for node_id, node in found.mapping.items()]
    old_id = found.conversation_id or found.id or (nodes[0].id if nodes else "")
    return Conversation("chatgpt", old_id, found.title, found.create_time, found.update_time, nodes, found.current_node)


def _to_node(node_id: str, node: GptNode) -> Node:
    message = node.message
    if message is None:
        return Node(node_id, node.parent, "empty")
    if reason := _find_reason(message):
        return Node(node_id, node.parent, reason)
    said, omissions = _read_content(node_id, message.content)
    role = "user" if message.author.role == "user" else "assistant"
    return to_node(node_id, node.parent, role, text_parts(*said), message.create_time, omissions)


def _find_reason(message: GptMessage) -> Reason | None:
    """Return why a message is not taken; None if it is."""
    if message.author.role == "system":
        return "system"
    if (message.metadata or {}).get("is_visually_hidden_from_conversation"):
        return "hidden"
    if message.author.role not in ("user", "assistant") or message.recipient not in (None, "", "all"):
        return "tool"
    known = ("text", "multimodal_text", "code", "thoughts")
    return None if message.content.content_type in known else "unsupported"


def _read_content(node_id: str, content: Content) -> tuple[tuple[str, str], list[Omission]]:
    """Return the text of a message, what was thought before it, and the parts that are not taken."""
    if content.content_type == "code":
        return (f"```\n{content.text or ''}\n```" if content.text else "", ""), []
    if content.content_type == "thoughts":
        return ("", "\n\n".join(_texts_of_thoughts(content))), []
    parts = content.parts or []
    omissions = [
        Omission("part", _name_of(node_id, part), "unsupported") for part in parts if not isinstance(part, str)
    ]
    return ("\n\n".join(part for part in parts if isinstance(part, str) and part), ""), omissions


def _texts_of_thoughts(content: Content) -> Iterator[str]:
    for thought in content.thoughts or []:
        for name in ("summary", "content"):
            if isinstance(text := thought.get(name), str) and text:
                yield text


def _name_of(node_id: str, part: Any) -> str:
    """Return the name of a picture or sound; else that of its message."""
    pointer = cast("dict[str, Any]", part).get("asset_pointer") if isinstance(part, dict) else None
    return pointer if isinstance(pointer, str) else node_id
