"""AG-UI 1.0: a run's events as those of the protocol.

1. The first event is RUN_STARTED; the last is RUN_FINISHED or RUN_ERROR, with all messages closed before it.
2. A text, a reasoning and a call are each a message of their own, `MESSAGE/INDEX` by our message and part. A text stays
   open to the end of its step, because after a handover it goes on under the same id (`chat/texts.py`).
3. A run that waits for its client is finished. The client's outputs come with its next run, which goes on with ours.
4. No `null` stands for an optional field: the client refuses it.
"""

from typing import Any, assert_never

import msgspec

from chatkeep.api.dialects.framing import data_frame
from chatkeep.api.dialects.ui_parts import BROKEN_OFF, INTERRUPTED, error_text, runs_at_client
from chatkeep.chat.event_log import part_events
from chatkeep.chat.events import (
    Event,
    Handover,
    ProviderStateKept,
    ReasoningDelta,
    RefusalDelta,
    RunFinished,
    RunResumed,
    RunStarted,
    RunWaiting,
    StepStarted,
    TextDelta,
    ToolCallDelta,
    ToolCallFinished,
    ToolCallReady,
    ToolCallRunning,
    ToolCallStarted,
)
from chatkeep.chat.types import Message, Run, ToolCallPart


class AguiEncoder:
    """Makes the frames of one stream, which the client calls `thread_id` and `run_id`.

    Given `begun`, the message so far, it goes on with that one.
    """

    def __init__(self, thread_id: str, run_id: str, begun: Message | None = None) -> None:
        self._ids = {"threadId": thread_id, "runId": run_id}
        self._message_id = begun.id if begun else ""
        self._calls: dict[int, tuple[str, bool]] = {}  # call id, and if it is the client's, by the index of the part
        self._open_calls: set[int] = set()  # without TOOL_CALL_END
        self._text: int | None = None  # the open text: the index of its first part
        self._text_part = -1  # the part that it is written in now
        self._goes_on = False  # the next text belongs to the open one
        self._reasoning: int | None = None
        self._is_waiting = begun is not None  # it did when the client had the beginning
        self.is_over = False
        for index, part in enumerate(begun.parts if begun else ()):
            if isinstance(part, ToolCallPart):
                self._calls[index] = (part.call_id, runs_at_client(part.kind))

    def begin(self) -> bytes:
        """Return RUN_STARTED of a message that goes on; that of a new one comes with `run.started`."""
        return data_frame({"type": "RUN_STARTED", **self._ids}) if self._message_id else b""

    def encode(self, event: Event) -> bytes:  # noqa: C901, PLR0912  # one case an event
        """Return the frames of `event`."""
        match event:
            case TextDelta() | RefusalDelta():
                return self._text_delta(event.index, event.text)
            case ReasoningDelta():
                return self._reasoning_delta(event.index, event.text)
            case ToolCallDelta():
                call_id = self._calls[event.index][0]
                return data_frame({"type": "TOOL_CALL_ARGS", "toolCallId": call_id, "delta": event.arguments_text})
            case RunStarted():
                self._message_id = event.message.id
                begun = b"".join([self.encode(each) for each in part_events(event.message)])
                return data_frame({"type": "RUN_STARTED", **self._ids}) + begun
            case StepStarted():
                return self._close_all()
            case Handover():
                self._goes_on = self._text is not None
                value = {"from": event.from_model, "to": event.to_model, "reason": event.reason}
                return self._close_reasoning() + data_frame({"type": "CUSTOM", "name": "handover", "value": value})
            case ToolCallStarted():
                return self._call_started(event)
            case ToolCallReady():
                return self._end_call(event.index)
            case ToolCallFinished():
                return self._call_finished(event)
            case RunWaiting():
                self._is_waiting = True
                return self._close_all()
            case RunResumed():
                self._is_waiting = False
                return b""
            case RunFinished():
                self.is_over = True
                return self._close_all() + data_frame(self._finish(event.run))
            case ToolCallRunning() | ProviderStateKept():
                return b""
            case _:
                assert_never(event)

    def end(self) -> bytes:
        """Return the end of a stream whose run goes on: when the client has answered, or without this stream."""
        self.is_over = True
        if self._is_waiting:
            return data_frame({"type": "RUN_FINISHED", **self._ids})
        start = b"" if self._message_id else data_frame({"type": "RUN_STARTED", **self._ids})
        return (
            start + self._close_all() + data_frame({"type": "RUN_ERROR", "message": BROKEN_OFF, "code": "broken_off"})
        )

    def _id(self, index: int) -> str:
        return f"{self._message_id}/{index}"

    def _text_delta(self, index: int, text: str) -> bytes:
        start = b""
        if index != self._text_part:
            start = self._close_reasoning()
            if not self._goes_on:
                message = {"type": "TEXT_MESSAGE_START", "messageId": self._id(index), "role": "assistant"}
                start += self._close_text() + data_frame(message)
                self._text = index
            self._text_part, self._goes_on = index, False
        message_id = self._id(self._text or 0)
        return start + data_frame({"type": "TEXT_MESSAGE_CONTENT", "messageId": message_id, "delta": text})

    def _reasoning_delta(self, index: int, text: str) -> bytes:
        message_id, start = self._id(index), b""
        if index != self._reasoning:
            start = self._close_reasoning()
            start += data_frame({"type": "REASONING_START", "messageId": message_id})
            start += data_frame({"type": "REASONING_MESSAGE_START", "messageId": message_id, "role": "reasoning"})
            self._reasoning = index
        return start + data_frame({"type": "REASONING_MESSAGE_CONTENT", "messageId": message_id, "delta": text})

    def _close_text(self) -> bytes:
        index, self._text = self._text, None
        return data_frame({"type": "TEXT_MESSAGE_END", "messageId": self._id(index)}) if index is not None else b""

    def _close_reasoning(self) -> bytes:
        index, self._reasoning = self._reasoning, None
        if index is None:
            return b""
        ends = ("REASONING_MESSAGE_END", "REASONING_END")
        return b"".join([data_frame({"type": each, "messageId": self._id(index)}) for each in ends])

    def _close_all(self) -> bytes:
        self._goes_on = False
        calls = b"".join([self._end_call(index) for index in sorted(self._open_calls)])
        return self._close_reasoning() + self._close_text() + calls

    def _call_started(self, event: ToolCallStarted) -> bytes:
        self._calls[event.index] = (event.call_id, runs_at_client(event.kind))
        self._open_calls.add(event.index)
        call = {"type": "TOOL_CALL_START", "toolCallId": event.call_id, "toolCallName": event.name}
        return self._close_reasoning() + data_frame({**call, "parentMessageId": self._id(event.index)})

    def _end_call(self, index: int) -> bytes:
        if index not in self._open_calls:
            return b""
        self._open_calls.discard(index)
        return data_frame({"type": "TOOL_CALL_END", "toolCallId": self._calls[index][0]})

    def _call_finished(self, event: ToolCallFinished) -> bytes:
        call_id, is_client = self._calls[event.index]
        end = self._end_call(event.index)
        if is_client:  # the client has made its own message of it
            return end
        content = to_content(event.output) if event.state == "succeeded" else error_text(event.state, event.error)
        result = {"messageId": f"{self._id(event.index)}/result", "toolCallId": call_id, "role": "tool"}
        return end + data_frame({"type": "TOOL_CALL_RESULT", **result, "content": content})

    def _finish(self, run: Run) -> dict[str, Any]:
        match run.status:
            case "completed" | "incomplete":
                return {"type": "RUN_FINISHED", **self._ids, "outcome": {"type": "success"}}
            case "cancelled":
                return {"type": "RUN_FINISHED", **self._ids, "outcome": {"type": "cancelled"}}
            case _:
                code, message = (run.error.code, run.error.message) if run.error else (run.status, INTERRUPTED)
                return {"type": "RUN_ERROR", "message": message, "code": code}


def to_content(output: Any) -> str:
    """Return the output of a call as text: a text as it is, anything else as JSON."""
    return output if isinstance(output, str) else msgspec.json.encode(output).decode()
