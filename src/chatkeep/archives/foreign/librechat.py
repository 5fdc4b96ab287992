"""LibreChat's export of a conversation as JSON: a list of messages, or a tree (`children`), as exports have it."""

from typing import Any

import msgspec

from chatkeep.archives.foreign.trees import Conversation, Node, Time, text_parts, to_node
from chatkeep.archives.report import Omission


class LibreMessage(msgspec.Struct, rename="camel"):
    """A message. `content` has its parts; without it, `text` is all."""

    message_id: str
    parent_message_id: str | None = None
    is_created_by_user: bool = False
    text: str | None = None
    content: list[dict[str, Any]] | None = None
    created_at: Time = None
    files: list[Any] | None = None
    children: "list[LibreMessage] | None" = None


class LibreConversation(msgspec.Struct, rename="camel"):
    """A conversation."""

    conversation_id: str
    messages: list[LibreMessage]
    title: str | None = None
    export_at: str | None = None


def read(raw: bytes) -> Conversation:
    """Return a conversation.

    Raises:
        msgspec.MsgspecError: it has another form.
    """
    found = msgspec.json.decode(raw, type=LibreConversation)
    nodes: list[Node] = []
    times: list[Time] = []
    waiting = list(reversed(found.messages))
    while waiting:
        message = waiting.pop()
        nodes.append(_to_node(message))
        times.append(message.created_at)
        waiting += reversed(message.children or [])
    first, last = (times[0], times[-1]) if times else (None, None)
    return Conversation("librechat", found.conversation_id, found.title, first, last, nodes)


def _to_node(message: LibreMessage) -> Node:
    omissions = [Omission("part", message.message_id, "unsupported") for _ in message.files or []]
    texts: list[str] = []
    thoughts: list[str] = []
    for part in message.content or []:
        kind = part.get("type")
        text, thought = part.get("text"), part.get("think")
        if kind == "text" and isinstance(text, str):
            texts.append(text)
        elif kind == "think" and isinstance(thought, str):
            thoughts.append(thought)
        else:
            reason = "tool" if kind == "tool_call" else "unsupported"
            omissions.append(Omission("part", message.message_id, reason))
    parts = text_parts("\n\n".join(texts) or message.text or "", "\n\n".join(thoughts))
    role = "user" if message.is_created_by_user else "assistant"
    return to_node(message.message_id, message.parent_message_id, role, parts, message.created_at, omissions)
