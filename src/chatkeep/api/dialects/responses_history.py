"""A history that a client brings along, made of items: what was said before, and what there is of the answer.

An answer is one message here, with its calls, their outputs, and what the model said after them; so items in a row that
are not the user's are one. What the client says of answers is only claimed (`runs/request.py: ClientTurn`).
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from chatkeep.api.dialects.attachments import FileParts, SaidMessage, SaidPart, settle, settle_messages, to_content
from chatkeep.api.dialects.bodies import MAX_INLINE_BYTES
from chatkeep.api.dialects.openai_content import decode_said
from chatkeep.api.dialects.responses_compaction import read_summary
from chatkeep.api.dialects.responses_input import InputItem, outputs_of, text_of
from chatkeep.chat.types import Part, StepPart, TextPart, ToolCallPart
from chatkeep.errors import InvalidRequest
from chatkeep.text import clean, clean_json
from chatkeep.tools.arguments import InvalidArguments, parse_arguments


class Said(NamedTuple):
    """The words of a client: messages, of which the last one is the user's, and the beginning of its answer."""

    messages: Sequence[SaidMessage]
    begun: Sequence[SaidPart] = ()


async def to_history(given: Sequence[InputItem]) -> list[SaidMessage]:
    """Return items as messages, oldest first. Large ones are decoded in a thread.

    Raises:
        InvalidRequest: an item has no text where it has to, or a call and its output do not fit together.
    """
    is_large = sum(len(bytes(item.content)) for item in given) > MAX_INLINE_BYTES
    return await asyncio.to_thread(_to_history, given) if is_large else _to_history(given)


def _to_history(given: Sequence[InputItem]) -> list[SaidMessage]:
    messages: list[SaidMessage] = []
    answer: list[Part] | None = None  # the parts of the last message, if it is one
    for item in given:
        if item.type == "message" and item.role == "user":
            messages.append(SaidMessage("user", _said(item)))
            answer = None
            continue
        if answer is None:
            messages.append(SaidMessage("assistant", answer := []))
        _add_to_answer(answer, item)
    for message in messages:
        if message.role == "assistant":
            _check_outputs(message.parts)
    return messages


async def to_said(given: Sequence[InputItem], is_in_session: bool) -> Said:
    """Return what items say. In a session that is there already, there are only messages of the user.

    Raises:
        InvalidRequest: the items do not end with a message of the user, or with outputs of calls.
    """
    history = await to_history(given)
    if is_in_session and any(each.role == "assistant" for each in history):
        raise InvalidRequest("input: after the history that is kept here come messages of the user, or outputs")
    begun = history.pop().parts if history and history[-1].role == "assistant" else ()
    if begun and not isinstance(begun[-1], ToolCallPart):
        raise InvalidRequest("input: the last item is a message of the user, or the output of a call")
    if not history or history[-1].role != "user":
        raise InvalidRequest("input: a message of the user, or outputs of calls")
    return Said(history, begun)


def said_fields(said: Said, files: FileParts) -> dict[str, Any]:
    """Return what was said as fields of a `ClientTurn`."""
    *earlier, last = said.messages
    return {
        "content": to_content(last.parts, files),
        "earlier": settle_messages(earlier, files),
        "begun": settle(said.begun, files),
    }


def _said(item: InputItem) -> Sequence[SaidPart]:
    parts = decode_said(f"input[{item.at}].content", item.content)
    if all(isinstance(part, TextPart) and not part.text.strip() for part in parts):
        raise InvalidRequest(f"input[{item.at}].content: blank")
    return parts


def _text(item: InputItem) -> str:
    text = clean(text_of(item))
    if not text.strip():
        raise InvalidRequest(f"input[{item.at}].content: blank")
    return text


def _add_to_answer(parts: list[Part], item: InputItem) -> None:
    """Add an item that is not the user's to the parts of an answer. What comes after an output is of another step."""
    if item.type == "function_call_output":
        _add_output(parts, item)
        return
    if parts and isinstance(last := parts[-1], ToolCallPart) and last.state == "succeeded":
        parts.append(StepPart())
    if item.type == "function_call":
        parts.append(_call(item))
    elif item.type == "compaction":
        parts.append(TextPart(read_summary(item)))
    else:
        parts.append(TextPart(_text(item)))


def _call(item: InputItem) -> ToolCallPart:
    if not item.call_id or not item.name:
        raise InvalidRequest(f"input[{item.at}]: a call has a call_id and a name")
    text = clean(item.arguments)
    try:
        arguments = parse_arguments(text)
    except InvalidArguments as error:
        raise InvalidRequest(f"input[{item.at}].arguments: {error}") from error
    return ToolCallPart(clean(item.call_id), clean(item.name), "client", text, arguments, "cancelled")


def _add_output(parts: list[Part], item: InputItem) -> None:
    output = outputs_of([item])[0]["output"]
    for index, part in enumerate(parts):
        if isinstance(part, ToolCallPart) and part.call_id == item.call_id and part.state == "cancelled":
            parts[index] = replace(part, state="succeeded", output=clean_json(output))
            return
    raise InvalidRequest(f"input[{item.at}].call_id: no call {item.call_id!r} stands before this output")


def _check_outputs(parts: Sequence[SaidPart]) -> None:
    for part in parts:
        if isinstance(part, ToolCallPart) and part.state != "succeeded":
            raise InvalidRequest(f"input: there is no output for the call {part.call_id!r}")
