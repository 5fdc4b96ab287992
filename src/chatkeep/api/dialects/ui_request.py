"""Requests of the AI SDK's `DefaultChatTransport`, and what they ask for in the terms of our own API.

The client sends its whole history, or the last message alone. Only that last message is taken from it; the history is
the store's. The earlier ids say where in the store the message belongs: the last one that names an answer there is
the parent.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from chatkeep.api.dialects.attachments import GivenFile, SaidPart, merge_texts
from chatkeep.api.dialects.bodies import MAX_INLINE_BYTES, decode, decode_content, decode_small
from chatkeep.api.dialects.places import AnsweredAgain, NewText, Place, ToolAnswers, find_last_answer, find_message
from chatkeep.chat.types import FilePart, Message, TextPart
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.text import clean

MAX_PARTS_BYTES = 4_194_304
"""The longest answer with outputs, in bytes of JSON: its reasoning and earlier outputs are in it."""
_NULL = msgspec.Raw(b"null")


class UiPart(msgspec.Struct, rename="camel"):
    """A part of a client's message, of any type."""

    type: str
    text: str = ""
    tool_call_id: str = ""
    state: str = ""
    output: msgspec.Raw = _NULL
    error_text: str = ""
    media_type: str = ""
    url: str = ""
    filename: str | None = None


class UiMessage(msgspec.Struct):
    """A client's message. Its parts are not decoded, except those of the last message."""

    role: Literal["user", "assistant", "system"]
    id: str | None = None
    parts: msgspec.Raw = msgspec.Raw(b"[]")


class _Parts(msgspec.Struct):
    parts: list[UiPart]


class ChatBody(msgspec.Struct, rename={"message_id": "messageId"}):
    """The body of `POST /api/chat`. `messages` is the history with the new message, `message` that one alone.

    The rest is what an application may add: fields of our own API, under the same names.
    """

    id: str
    messages: Annotated[list[UiMessage], msgspec.Meta(min_length=1)] | None = None
    message: UiMessage | None = None
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: str | None = None
    tools: msgspec.Raw = _NULL
    model: str | None = None
    params: msgspec.Raw = _NULL
    tool_choice: msgspec.Raw = _NULL
    assistant: str | None = None

    @property
    def last(self) -> UiMessage:
        """The last message.

        Raises:
            InvalidRequest: there is none.
        """
        last = self.messages[-1] if self.messages else self.message
        if last is None:
            raise InvalidRequest("messages, or message: one of the two")
        return last

    @property
    def options(self) -> dict[str, Any]:
        """The fields of our own API that say how to answer, without those that are absent.

        Raises:
            InvalidRequest: one is too long.
        """
        fields = {name: decode_small(name, getattr(self, name)) for name in ("params", "tool_choice")}
        fields["model"] = self.model
        return {name: value for name, value in fields.items() if value is not None}


def answers_of(messages: list[UiMessage]) -> list[str]:
    """Return the ids of the answers among `messages`."""
    return [each.id or "" for each in messages if each.role == "assistant"]


async def read_said(message: UiMessage) -> list[SaidPart]:
    """Return the texts and files of a user's message; texts in a row are one. A large one is decoded in a thread.

    Raises:
        InvalidRequest: it has parts that are neither.
    """
    is_large = len(bytes(message.parts)) > MAX_INLINE_BYTES
    return await asyncio.to_thread(_said_in, message) if is_large else _said_in(message)


def _said_in(message: UiMessage) -> list[SaidPart]:
    parts: list[UiPart] = decode_content("messages", message.parts, list[UiPart])
    return merge_texts([_to_said(f"messages.parts.{at}", part) for at, part in enumerate(parts)], "\n")


def _to_said(where: str, part: UiPart) -> SaidPart:
    match part.type:
        case "text":
            return TextPart(clean(part.text))
        case "file":
            return GivenFile(where, part.url, name=part.filename or "", media_type=part.media_type)
        case _:
            raise InvalidRequest(f"{where}: parts of the type {part.type[:40]!r} cannot be read; text and files can")


def tool_outputs(message: UiMessage) -> list[dict[str, Any]]:
    """Return the outputs in an answer that the client has added to, as our own API takes them.

    Raises:
        InvalidRequest: it is too long, or has no parts.
    """
    outputs: list[dict[str, Any]] = []
    if len(bytes(message.parts)) > MAX_PARTS_BYTES:
        raise InvalidRequest(f"messages: the last one is longer than {MAX_PARTS_BYTES} bytes")
    for part in decode(b'{"parts":%b}' % bytes(message.parts), _Parts).parts:
        if part.state == "output-available":
            outputs.append({"call_id": part.tool_call_id, "output": decode_small("output", part.output)})
        elif part.state == "output-error":
            outputs.append({"call_id": part.tool_call_id, "error": part.error_text or "failed"})
    return outputs


async def find_place(
    tx: Transaction, owner: str, session_id: str, body: ChatBody, content: str | Sequence[dict[str, Any]]
) -> Place:
    """Return what the request refers to. `content` is that of its last message, if that is the user's.

    Raises:
        InvalidRequest: it refers to messages that the session has not.
    """
    session = await store_sessions.find_session(tx, owner, session_id)
    run = await store_runs.find_open(tx, session_id) if session else None
    if body.trigger == "submit-message" and body.last.role == "assistant":
        if run is None or run.message_id != body.last.id:
            raise InvalidRequest("messages: the last one is an answer, and none that waits for the client")
        return Place(ToolAnswers(run), run)
    if body.trigger == "regenerate-message":
        target = await _find_answered(tx, session_id, body, content)
    else:
        target = await _find_parent(tx, session_id, body)
    return Place(target, run)


async def _find_parent(tx: Transaction, session_id: str, body: ChatBody) -> NewText:
    """Return where a new user message belongs."""
    if body.messages is None:
        if body.message_id is None:
            return NewText(None, follows_head=True)
        edited = await find_message(tx, session_id, body.message_id)
        if edited is None or edited.role != "user":
            raise InvalidRequest("messageId: not a user message of this chat")
        return NewText(edited.parent_id, follows_head=False)
    parent = await find_last_answer(tx, session_id, answers_of(body.messages[:-1]))
    is_edit = body.message_id is not None
    return NewText(parent.id if parent else None, follows_head=parent is None and not is_edit)


async def _find_answered(
    tx: Transaction, session_id: str, body: ChatBody, content: str | Sequence[dict[str, Any]]
) -> AnsweredAgain | NewText:
    """Return the user message that is answered again: a stored one, or a new one if it never came here as it is now."""
    named = await find_message(tx, session_id, body.message_id)
    if named is not None and named.role == "assistant":
        return AnsweredAgain(named.parent_id or "")
    sent = named or await find_message(tx, session_id, body.last.id)
    if sent is not None:
        is_same = _words_of(sent) == _words_in(content)  # else its edit was refused before
        return AnsweredAgain(sent.id) if is_same else NewText(sent.parent_id, follows_head=False)
    if body.messages is None:
        return NewText(None, follows_head=True)
    parent = await find_last_answer(tx, session_id, answers_of(body.messages[:-1]))
    return NewText(parent.id if parent else None, follows_head=False)


def _words_of(message: Message) -> list[str]:
    """Return the texts of a stored message, and the ids of its files."""
    parts = merge_texts((part for part in message.parts if isinstance(part, TextPart | FilePart)), "\n")
    return [getattr(part, "file_id", "") or getattr(part, "text", "") for part in parts]


def _words_in(content: str | Sequence[dict[str, Any]]) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [each["file_id"] if each["type"] == "file" else each["text"] for each in content]
