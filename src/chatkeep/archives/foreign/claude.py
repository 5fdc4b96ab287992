"""Claude's export: `conversations.json`, a list of conversations with `chat_messages`. As exports have it."""

from typing import Any

import msgspec

from chatkeep.archives.foreign.trees import Conversation, Node, text_parts, to_node
from chatkeep.archives.report import Omission


class Attachment(msgspec.Struct):
    """A file beside a message; of a text, what is in it."""

    file_name: str = ""
    extracted_content: str | None = None


class ClaudeMessage(msgspec.Struct):
    """A message. `content` has its parts; older exports have its `text` alone."""

    uuid: str
    sender: str
    text: str | None = None
    content: list[dict[str, Any]] | None = None
    created_at: str | None = None
    parent_message_uuid: str | None = None
    attachments: list[Attachment] | None = None
    files: list[Attachment] | None = None


class ClaudeConversation(msgspec.Struct):
    """A conversation."""

    uuid: str
    chat_messages: list[ClaudeMessage]
    name: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    current_leaf_message_uuid: str | None = None


def read(raw: bytes) -> Conversation:
    """Return a conversation. Without parents of their own, messages follow one another.

    Raises:
        msgspec.MsgspecError: it has another form.
    """
    found = msgspec.json.decode(raw, type=ClaudeConversation)
    nodes: list[Node] = []
    for message in found.chat_messages:
        before = nodes[-1].id if nodes else None
        nodes.append(_to_node(message, message.parent_message_uuid or before))
    times = (found.created_at, found.updated_at)
    return Conversation("claude", found.uuid, found.name, *times, nodes, found.current_leaf_message_uuid)


def _to_node(message: ClaudeMessage, parent_id: str | None) -> Node:
    texts, thoughts, omissions = _read_content(message)
    for file in message.attachments or []:
        if file.extracted_content:
            texts.append(f"[File: {file.file_name}]\n{file.extracted_content}")
        else:
            omissions.append(Omission("part", file.file_name or message.uuid, "unsupported"))
    omissions += [Omission("part", file.file_name or message.uuid, "unsupported") for file in message.files or []]
    parts = text_parts("\n\n".join(texts), "\n\n".join(thoughts))
    role = "user" if message.sender == "human" else "assistant"
    return to_node(message.uuid, parent_id, role, parts, message.created_at, omissions)


def _read_content(message: ClaudeMessage) -> tuple[list[str], list[str], list[Omission]]:
    """Return the texts of a message, what was thought, and the parts that are not taken."""
    texts: list[str] = []
    thoughts: list[str] = []
    omissions: list[Omission] = []
    for part in message.content or []:
        kind, text, thinking = part.get("type"), part.get("text"), part.get("thinking")
        if kind == "text" and isinstance(text, str):
            texts.append(text)
        elif kind == "thinking" and isinstance(thinking, str):
            thoughts.append(thinking)
        else:
            is_tool = kind in ("tool_use", "tool_result")
            omissions.append(Omission("part", message.uuid, "tool" if is_tool else "unsupported"))
    if not texts and message.text:
        texts.append(message.text)
    return texts, thoughts, omissions
