"""Stored messages as AG-UI's: the same as its client makes of the stream (`agui_stream.py`)."""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from chatkeep.api.dialects.agui_content import to_agui_content
from chatkeep.api.dialects.agui_stream import to_content
from chatkeep.api.dialects.ui_parts import error_text
from chatkeep.chat.types import (
    FilePart,
    HandoverPart,
    Message,
    ReasoningPart,
    RefusalPart,
    StepPart,
    TextPart,
    ToolCallPart,
)
from chatkeep.settings import Settings

_ENDED = ("succeeded", "failed", "cancelled", "unknown")


def to_agui_messages(messages: Iterable[Message], settings: Settings) -> list[dict[str, Any]]:
    """Return `messages`, each of them as one or more of AG-UI's."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "user":
            message_id = message.id if message.client_id is UNSET else message.client_id
            found.append({"id": message_id, "role": "user", "content": to_agui_content(message.parts, settings)})
        else:
            found += _answer(message)
    return found


def _answer(message: Message) -> list[dict[str, Any]]:
    """Return the parts of an answer. The texts on both sides of a handover are one (`chat/texts.py`)."""
    found: list[dict[str, Any]] = []
    text: dict[str, Any] | None = None  # the last text of the step
    goes_on = False
    for index, part in enumerate(message.parts):
        part_id = f"{message.id}/{index}"
        match part:
            case TextPart() | RefusalPart() if goes_on and text is not None:
                text["content"] += part.text
                goes_on = False
            case TextPart() | RefusalPart():
                text = {"id": part_id, "role": "assistant", "content": part.text}
                found.append(text)
            case StepPart():
                text, goes_on = None, False
            case HandoverPart():
                goes_on = text is not None
            case ReasoningPart(text="") | FilePart():
                pass  # it stands for a provider's state; and no answer has a file
            case ReasoningPart():
                found.append({"id": part_id, "role": "reasoning", "content": part.text})
            case ToolCallPart():
                found += _call(part_id, part)
    return found


def _call(part_id: str, part: ToolCallPart) -> list[dict[str, Any]]:
    function = {"name": part.name, "arguments": part.arguments_text}
    call = {"id": part.call_id, "type": "function", "function": function}
    asked = {"id": part_id, "role": "assistant", "toolCalls": [call]}
    if part.state not in _ENDED:
        return [asked]
    content = to_content(part.output) if part.state == "succeeded" else error_text(part.state, part.error)
    return [asked, {"id": f"{part_id}/result", "role": "tool", "toolCallId": part.call_id, "content": content}]
