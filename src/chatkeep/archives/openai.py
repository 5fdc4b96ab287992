"""A chat as `{"messages": […]}` on one line, as OpenAI's API takes messages (reference, "Create chat completion").

Files are named, and their bytes are left out. Reasoning is left out, too: the API takes none back.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from chatkeep.agent.user_content import describe_file
from chatkeep.chat.texts import join_texts, split_steps
from chatkeep.chat.types import FilePart, Message, RefusalPart, Session, TextPart, ToolCallPart

_encode = msgspec.json.encode


class OpenAIWriter:
    """Writes a line for each chat."""

    def __init__(self) -> None:
        self._separator = ""

    def begin(self, title: str) -> str:
        """Return nothing."""
        del title
        return ""

    def begin_session(self, session: Session) -> str:
        """Return the beginning of a line."""
        self._separator = ""
        return '{"title":' + _encode(session.title).decode() + ',"messages":['

    def message(self, message: Message) -> Iterable[str]:
        """Return the messages that a message of ours is: of an answer, one for each step and each output."""
        for each in _to_messages(message):
            yield self._separator + _encode(each).decode()
            self._separator = ","

    def end_session(self) -> str:
        """Return the end of a line."""
        return "]}\n"

    def end(self) -> str:
        """Return nothing."""
        return ""


def _to_messages(message: Message) -> Iterable[dict[str, Any]]:
    if message.role == "user":
        files = [f"[{describe_file(part)}]" for part in message.parts if isinstance(part, FilePart)]
        text = join_texts(message.parts, "\n\n")
        yield {"role": "user", "content": "\n\n".join([*files, *([text] if text else [])])}
        return
    for step in split_steps(message.parts):
        calls = [part for part in step if isinstance(part, ToolCallPart)]
        text = join_texts(step, "\n\n", (TextPart, RefusalPart))
        if text or calls:
            tool_calls = {"tool_calls": list(map(_to_call, calls))} if calls else {}
            yield {"role": "assistant", "content": text or None, **tool_calls}
        for call in calls:
            yield {"role": "tool", "tool_call_id": call.call_id, "content": _result_of(call)}


def _to_call(call: ToolCallPart) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments_text}
    return {"id": call.call_id, "type": "function", "function": function}


def _result_of(call: ToolCallPart) -> str:
    if call.error is not None:
        return call.error.message
    return call.output if isinstance(call.output, str) else _encode(call.output).decode()
