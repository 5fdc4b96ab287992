"""The history in a request of Chat Completions: what was said before, the user's message, and what follows it.

    system, developer   instructions, wherever they stand
    user …              messages before the last user's are stored as they are; several in a row are one. They have
                        texts and files
    assistant, tool     an answer that the client claims: texts, calls, and the outputs of these
    the last user       the message to be answered
    assistant, tool     after it, the beginning of the answer: the model goes on with the next step

Source: OpenAI's API reference, "Create chat completion", `messages`.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from chatkeep.api.dialects.attachments import SaidMessage, SaidPart, merge_texts, settle
from chatkeep.api.dialects.openai_content import decode_said, decode_texts, texts_of
from chatkeep.chat.types import Part, RefusalPart, StepPart, TextPart, ToolCallPart
from chatkeep.errors import InvalidRequest
from chatkeep.text import clean
from chatkeep.tools.arguments import InvalidArguments, parse_arguments

_NULL = msgspec.Raw(b"null")
_CALL_ID_CHARS = 128


class FunctionCall(msgspec.Struct):
    """A call within an answer."""

    name: str
    arguments: str = ""


class MessageCall(msgspec.Struct):
    """A call of an answer, with its id."""

    id: str
    function: FunctionCall | None = None
    type: str = "function"


class ClientMessage(msgspec.Struct):
    """A message of the client. Fields that are not named here say nothing new: clients send back what they got."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: msgspec.Raw = _NULL
    refusal: str | None = None
    tool_calls: list[MessageCall] | None = None
    tool_call_id: str = ""


class History(NamedTuple):
    """The messages of a request, put together: the last is the user's, and `begun` begins its answer."""

    instructions: str | None
    messages: Sequence[SaidMessage]
    begun: tuple[Part, ...]


class _Turns:
    """Messages of users and answers, one after the other, as they are put together."""

    def __init__(self) -> None:
        self.all: list[tuple[Literal["user", "assistant"], list[SaidPart]]] = []
        self._calls: dict[str, int] = {}  # of the answer that is put together: part by call id

    def add(self, role: Literal["user", "assistant"], parts: Sequence[SaidPart]) -> None:
        """Add a message; what follows one of the same role becomes part of it, of an answer its next step."""
        if not parts:
            return
        if self.all and self.all[-1][0] == role:
            if role == "assistant":
                self.all[-1][1].append(StepPart())
            self.all[-1][1].extend(parts)
        else:
            self.all.append((role, list(parts)))
            self._calls = {}
        whole = self.all[-1][1]
        for index in range(len(whole) - len(parts), len(whole)):
            if isinstance(part := whole[index], ToolCallPart):
                self._calls[part.call_id] = index

    def add_output(self, where: str, call_id: str, output: str) -> None:
        """Give an output to the last call of the answer before that has its id.

        Raises:
            InvalidRequest: there is none.
        """
        index = self._calls.get(call_id)
        part = None if index is None or not self.all else self.all[-1][1][index]
        if index is None or not isinstance(part, ToolCallPart) or self.all[-1][0] != "assistant":
            raise InvalidRequest(f"{where}.tool_call_id: the answer before has no call {call_id[:_CALL_ID_CHARS]!r}")
        self.all[-1][1][index] = replace(part, state="succeeded", output=output)


def read_history(messages: Sequence[ClientMessage]) -> History:
    """Return the history in `messages`.

    Raises:
        InvalidRequest: no message is a user's, or one cannot be understood.
    """
    instructions: list[str] = []
    turns = _Turns()
    for place, message in enumerate(messages):
        where = f"messages.{place}"
        match message.role:
            case "system" | "developer":
                instructions.append(_text(where, message))
            case "user":
                turns.add("user", decode_said(f"{where}.content", message.content) or [TextPart("")])
            case "assistant":
                turns.add("assistant", _answer_parts(where, message))
            case "tool":
                turns.add_output(where, clean(message.tool_call_id), _text(where, message))
            case "function":
                raise InvalidRequest(f"{where}: functions' outputs have the role tool; function is too old a form")
    return _history("\n\n".join(instructions), turns)


def _history(instructions: str, turns: _Turns) -> History:
    last = max((place for place, (role, _) in enumerate(turns.all) if role == "user"), default=None)
    if last is None:
        raise InvalidRequest("messages: none of them is a user's")
    messages = [
        SaidMessage(role, merge_texts(parts, "\n\n") if role == "user" else parts)
        for role, parts in turns.all[: last + 1]
    ]
    begun = turns.all[last + 1][1] if turns.all[last + 1 :] else ()
    return History(instructions or None, messages, settle(begun, {}))


def _text(where: str, message: ClientMessage) -> str:
    return texts_of(decode_texts(f"{where}.content", message.content))


def _answer_parts(where: str, message: ClientMessage) -> list[Part]:
    parts: list[Part] = [
        RefusalPart(each.text) if each.type == "refusal" else TextPart(each.text)
        for each in decode_texts(f"{where}.content", message.content)
        if each.text
    ]
    if message.refusal:
        parts.append(RefusalPart(clean(message.refusal)))
    return [*parts, *(_call_part(f"{where}.tool_calls", each) for each in message.tool_calls or ())]


def _call_part(where: str, call: MessageCall) -> ToolCallPart:
    if call.type != "function" or call.function is None:
        raise InvalidRequest(f"{where}: calls of the type {call.type[:40]!r} cannot be read; functions alone are")
    if not 0 < len(call.id) <= _CALL_ID_CHARS:
        raise InvalidRequest(f"{where}.id: 1 to {_CALL_ID_CHARS} characters")
    text = clean(call.function.arguments)
    return ToolCallPart(clean(call.id), clean(call.function.name), "client", text, _to_arguments(text), "unknown")


def _to_arguments(text: str) -> dict[str, Any] | None:
    """Return a call's arguments as an object; None if they are none, as a model may have sent it."""
    try:
        return parse_arguments(text) if text else {}
    except InvalidArguments:
        return None
