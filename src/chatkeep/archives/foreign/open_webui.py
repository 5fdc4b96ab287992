"""Open WebUI's export of chats: a list of chats, each with a tree of messages (`chat.history`). As exports have it."""

from typing import Any

import msgspec

from chatkeep.archives.foreign.trees import Conversation, Node, Time, text_parts, texts_in, to_node
from chatkeep.archives.report import Omission


class WebUiMessage(msgspec.Struct, rename="camel"):
    """A message."""

    role: str = ""
    content: str | list[dict[str, Any]] | None = None
    parent_id: str | None = None
    timestamp: Time = None
    files: list[Any] | None = None


class WebUiHistory(msgspec.Struct, rename="camel"):
    """The tree of messages."""

    messages: dict[str, WebUiMessage]
    current_id: str | None = None


class WebUiChat(msgspec.Struct):
    """The chat within an entry of the list."""

    history: WebUiHistory
    title: str | None = None


class WebUiEntry(msgspec.Struct):
    """An entry of the list."""

    id: str
    chat: WebUiChat
    title: str | None = None
    created_at: Time = None
    updated_at: Time = None


def read(raw: bytes) -> Conversation:
    """Return a conversation.

    Raises:
        msgspec.MsgspecError: it has another form.
    """
    found = msgspec.json.decode(raw, type=WebUiEntry)
    history = found.chat.history
    nodes = [_to_node(message_id, message) for message_id, message in history.messages.items()]
    title, times = found.title or found.chat.title, (found.created_at, found.updated_at)
    return Conversation("open-webui", found.id, title, *times, nodes, history.current_id)


def _to_node(message_id: str, message: WebUiMessage) -> Node:
    omissions = [Omission("part", message_id, "unsupported") for _ in message.files or []]
    texts = texts_in(message_id, message.content, omissions)
    if message.role not in ("user", "assistant"):
        return Node(message_id, message.parent_id, "system" if message.role == "system" else "tool", omissions)
    role = "user" if message.role == "user" else "assistant"
    return to_node(message_id, message.parent_id, role, text_parts("\n\n".join(texts)), message.timestamp, omissions)
