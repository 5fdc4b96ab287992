"""Archives of other services, with one of every kind of thing that they may have."""

import io
import json
import zipfile
from typing import Any


def gpt_node(parent: str | None, role: str = "user", text: str | None = "hello", **more: Any) -> dict[str, Any]:
    """Return a node of ChatGPT's tree."""
    content = {"content_type": "text", "parts": [text]}
    message = {"author": {"role": role}, "create_time": 1.7e9, "content": content, "recipient": "all", **more}
    return {"message": message, "parent": parent, "children": []}


def chatgpt() -> list[dict[str, Any]]:
    """Return two conversations: 5 messages are taken, 9 things are not; and one that has another form."""
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1"}
    mapping = {
        "root": {"message": None, "parent": None, "children": ["sys"]},
        "sys": gpt_node("root", "system"),
        "u1": gpt_node("sys"),
        "t1": gpt_node("u1", "assistant", "search()", recipient="browser"),
        "t2": gpt_node("t1", "tool", "results"),
        "a1": gpt_node("t2", "assistant", "answer \x00\ud800"),
        "u2": gpt_node("a1", content={"content_type": "multimodal_text", "parts": [picture, "look"]}),
        "u2b": gpt_node("a1", text="edited"),
        "h": gpt_node("u2", metadata={"is_visually_hidden_from_conversation": True}),
        "blank": gpt_node("u2", text=" "),
        "odd": gpt_node("u2", "assistant", content={"content_type": "sonic", "parts": None}),
        "loop1": gpt_node("loop2"),
        "loop2": gpt_node("loop1"),
        "think": gpt_node("u2b", "assistant", content={"content_type": "thoughts", "thoughts": [{"content": "hm"}]}),
    }
    first = {"conversation_id": "c1", "title": "t" * 300, "create_time": 1.6e9, "update_time": 1.7e9}
    return [{**first, "current_node": "u2b", "mapping": mapping}, {"mapping": {"x": 5}, "id": "broken"}]


def claude() -> list[dict[str, Any]]:
    """Return one conversation: 3 messages are taken, 3 things are not."""
    times = {"created_at": "2025-01-02T03:04:05.678901Z", "updated_at": "2025-01-02T03:04:06Z"}
    thought = {"type": "thinking", "thinking": "hm"}
    messages = [
        {"uuid": "m1", "sender": "human", "text": "hi", "content": [{"type": "text", "text": "hi"}], **times,
         "attachments": [{"file_name": "a.txt", "extracted_content": "inside"}], "files": [{"file_name": "b.png"}]},
        {"uuid": "m2", "sender": "assistant", "parent_message_uuid": "m1", **times,
         "content": [thought, {"type": "tool_use", "name": "x"}, {"type": "text", "text": "answer"}]},
        {"uuid": "m3", "sender": "assistant", "parent_message_uuid": "m1", "text": "another answer", **times},
        {"uuid": "m4", "sender": "human", "parent_message_uuid": "m3", "text": "", **times},
    ]  # fmt: skip
    return [{"uuid": "c", "name": "Chat", "account": {"uuid": "me"}, "chat_messages": messages, **times}]


def open_webui() -> list[dict[str, Any]]:
    """Return one conversation: 3 messages are taken, 2 things are not."""
    messages = {
        "1": {"id": "1", "parentId": None, "childrenIds": ["2", "3"], "role": "user", "content": "hi",
              "timestamp": 1_700_000_000, "files": [{"type": "image"}]},
        "2": {"id": "2", "parentId": "1", "role": "assistant", "content": "one", "timestamp": 1_700_000_001_000},
        "3": {"id": "3", "parentId": "1", "role": "assistant", "content": "two", "model": "llama"},
        "4": {"id": "4", "parentId": "3", "role": "assistant", "content": ""},
    }  # fmt: skip
    chat = {"title": "Chat", "models": ["llama"], "history": {"messages": messages, "currentId": "4"}}
    return [{"id": "w", "user_id": "u", "chat": chat, "created_at": 1_700_000_000, "updated_at": 1_700_000_009}]


def librechat() -> dict[str, Any]:
    """Return one conversation as a tree: 3 messages are taken, 1 thing is not."""
    call = {"type": "tool_call", "tool_call": {"name": "x"}}
    answer = {"messageId": "b", "parentMessageId": "a", "isCreatedByUser": False,
              "content": [{"type": "think", "think": "hm"}, {"type": "text", "text": "yes"}, call]}  # fmt: skip
    other = {"messageId": "c", "parentMessageId": "a", "isCreatedByUser": False, "text": "no"}
    root = {"messageId": "a", "parentMessageId": "00000000-0000-0000-0000-000000000000", "isCreatedByUser": True,
            "text": "hi", "createdAt": "2025-01-02T03:04:05.678Z", "children": [answer, other]}  # fmt: skip
    return {"conversationId": "l", "title": "Chat", "recursive": True, "messages": [root]}


def openai() -> list[dict[str, Any]]:
    """Return one conversation: 3 messages are taken, 5 things are not."""
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    return [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": [{"type": "text", "text": "look"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "tool_call_id": "1", "content": "5"},
        {"role": "assistant", "content": "five"},
        {"role": "user", "content": "thanks"},
    ]


def zipped(name: str, content: object, **more: bytes) -> bytes:
    """Return a ZIP file with `content` as JSON under `name`, and other files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, json.dumps(content))
        for other, data in more.items():
            archive.writestr(other, data)
    return file.getvalue()
