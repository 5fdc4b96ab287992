"""Stored messages as the AI SDK's `UIMessage`s: the same as its client makes of the stream (`ui_stream.py`)."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from chatkeep.api.dialects.attachments import file_url
from chatkeep.api.dialects.ui_parts import end_metadata, start_metadata, tool_part
from chatkeep.chat.types import (
    FilePart,
    HandoverPart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Run,
    StepPart,
    TextPart,
    ToolCallPart,
)
from chatkeep.settings import Settings


def to_ui_message(message: Message, runs: Mapping[str, Run], settings: Settings) -> dict[str, Any]:
    """Return `message` as a `UIMessage`. `runs` are those of its session by id."""
    if message.role == "user":
        parts = [_said(part, settings) for part in message.parts if isinstance(part, TextPart | FilePart)]
        metadata = {"session_id": message.session_id, "created_at": message.created_at}
        message_id = message.id if message.client_id is UNSET else message.client_id
        return {"id": message_id, "role": "user", "metadata": metadata, "parts": parts}
    run = runs.get(message.run_id or "")
    metadata = {**start_metadata(message, run), **end_metadata(run)} if run else {}
    return {"id": message.id, "role": "assistant", "metadata": metadata, "parts": _ui_parts(message.parts)}


def _said(part: TextPart | FilePart, settings: Settings) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    url = file_url(settings, part.file_id)
    return {"type": "file", "mediaType": part.media_type, "filename": part.name, "url": url}


def _ui_parts(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    """Return the parts of an answer. The texts on both sides of a handover are one (`chat/texts.py`)."""
    found: list[dict[str, Any]] = [{"type": "step-start"}]
    text: dict[str, Any] | None = None  # the last text of the step
    goes_on = False
    for index, part in enumerate(parts):
        match part:
            case TextPart() if goes_on and text is not None:
                text["text"] += part.text
                goes_on = False
            case TextPart():
                text = {"type": "text", "text": part.text, "state": "done"}
                found.append(text)
            case StepPart():
                text, goes_on = None, False
                found.append({"type": "step-start"})
            case HandoverPart():
                goes_on = text is not None
                data = {"from": part.from_model, "to": part.to_model, "reason": part.reason}
                found.append({"type": "data-handover", "id": str(index), "data": data})
            case RefusalPart():
                found.append({"type": "text", "text": part.text, "state": "done"})
            case ReasoningPart(text="") | FilePart():
                pass  # it stands for a provider's state; and no answer has a file
            case ReasoningPart():
                found.append({"type": "reasoning", "text": part.text, "state": "done"})
            case ToolCallPart():
                found.append(tool_part(part))
    return found
