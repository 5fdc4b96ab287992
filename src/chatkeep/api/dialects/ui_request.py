"""Requests of the AI SDK's `DefaultChatTransport`, and what they ask for in the terms of our own API.

The client sends its whole history, or the last message alone. Only that last message is taken from it; the history is
the store's. The earlier ids say where in the store the message belongs: the last one that names an answer there is
the parent.
"""

from typing import Annotated, Any, Literal

import msgspec

from chatkeep.api.dialects.bodies import decode, decode_small
from chatkeep.api.dialects.places import AnsweredAgain, NewText, Place, ToolAnswers, find_last_answer, find_message
from chatkeep.chat.types import Message, TextPart
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.text import clean

MAX_PARTS_BYTES = 4_194_304
"""The longest last message, in bytes of JSON: an answer with outputs has its reasoning and earlier outputs in it."""
_NULL = msgspec.Raw(b"null")


class UiPart(msgspec.Struct, rename="camel"):
    """A part of a client's message, of any type."""

    type: str
    text: str = ""
    tool_call_id: str = ""
    state: str = ""
    output: msgspec.Raw = _NULL
    error_text: str = ""


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


def parts_of(message: UiMessage) -> list[UiPart]:
    """Return the decoded parts of a message.

    Raises:
        InvalidRequest: they are no parts.
    """
    parts = bytes(message.parts)
    if len(parts) > MAX_PARTS_BYTES:
        raise InvalidRequest(f"messages: the last one is longer than {MAX_PARTS_BYTES} bytes")
    return decode(b'{"parts":%b}' % parts, _Parts).parts


def answers_of(messages: list[UiMessage]) -> list[str]:
    """Return the ids of the answers among `messages`."""
    return [each.id or "" for each in messages if each.role == "assistant"]


def text_of(message: UiMessage) -> str:
    """Return the text of a user message.

    Raises:
        InvalidRequest: it has parts that are no text.
    """
    parts = parts_of(message)
    if other := next((part.type for part in parts if part.type != "text"), None):
        raise InvalidRequest(f"messages: parts of the type {other!r} cannot be read; so far, text alone is")
    return "\n".join(part.text for part in parts)


def tool_outputs(message: UiMessage) -> list[dict[str, Any]]:
    """Return the outputs in an answer that the client has added to, as our own API takes them."""
    outputs: list[dict[str, Any]] = []
    for part in parts_of(message):
        if part.state == "output-available":
            outputs.append({"call_id": part.tool_call_id, "output": decode_small("output", part.output)})
        elif part.state == "output-error":
            outputs.append({"call_id": part.tool_call_id, "error": part.error_text or "failed"})
    return outputs


async def find_place(tx: Transaction, owner: str, session_id: str, body: ChatBody) -> Place:
    """Return what the request refers to.

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
        target = await _find_answered(tx, session_id, body)
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


async def _find_answered(tx: Transaction, session_id: str, body: ChatBody) -> AnsweredAgain | NewText:
    """Return the user message that is answered again: a stored one, or a new one if it never came here as it is now."""
    named = await find_message(tx, session_id, body.message_id)
    if named is not None and named.role == "assistant":
        return AnsweredAgain(named.parent_id or "")
    sent = named or await find_message(tx, session_id, body.last.id)
    if sent is not None:
        is_same = _text_of(sent) == clean(text_of(body.last))  # else its edit was refused before
        return AnsweredAgain(sent.id) if is_same else NewText(sent.parent_id, follows_head=False)
    if body.messages is None:
        return NewText(None, follows_head=True)
    parent = await find_last_answer(tx, session_id, answers_of(body.messages[:-1]))
    return NewText(parent.id if parent else None, follows_head=False)


def _text_of(message: Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))
