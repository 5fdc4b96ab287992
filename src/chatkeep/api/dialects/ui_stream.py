"""The AI SDK's UI message stream (npm `ai` 5, 6 and 7): a run's events as its parts, of those that all three know.

1. A stream begins with `start` and ends with `finish`, `error` or `abort`: to these clients, a cut is a success.
2. An id of a text is the index of our part. A text stays open to the end of its step, because after a handover it goes
   on under the same id (`chat/texts.py`). All other parts are closed when the next one begins.
3. A call that is not the client's carries `providerExecuted`, or the client would answer it.
4. No `null` stands for an optional field: the client's schemas refuse it.
"""

from typing import Any, assert_never

from chatkeep.api.dialects.framing import data_frame, encode
from chatkeep.api.dialects.ui_parts import (
    BROKEN_OFF,
    INTERRUPTED,
    end_metadata,
    error_text,
    finish_reason,
    runs_at_client,
    start_metadata,
)
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
from chatkeep.chat.types import Kind, Message, ToolCallPart

HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}
"""Says which protocol this is. No client checks it."""


class UiMessageEncoder:
    """Makes the frames of one stream. Given `begun`, the message so far, it goes on with that one."""

    def __init__(self, begun: Message | None = None) -> None:
        self._begun = begun
        self._calls: dict[int, tuple[str, str, Kind | None]] = {}  # call id, name and kind by the index of the part
        self._text: int | None = None  # the open text: the index of its first part
        self._text_part = -1  # the part that it is written in now
        self._goes_on = False  # the next text belongs to the open one
        self._other: tuple[str, int] | None = None  # the open part of another type: reasoning, or a refusal as text
        self._is_in_step = False
        self._is_waiting = begun is not None  # it did when the client had the beginning
        self.is_over = False
        for index, part in enumerate(begun.parts if begun else ()):
            if isinstance(part, ToolCallPart):
                self._calls[index] = (part.call_id, part.name, part.kind)

    def begin(self) -> bytes:
        """Return the `start` of a message that goes on; that of a new one comes with `run.started`."""
        return data_frame({"type": "start", "messageId": self._begun.id}) if self._begun else b""

    def encode(self, event: Event) -> bytes:  # noqa: C901, PLR0912  # one case an event
        """Return the frames of `event`."""
        match event:
            case TextDelta():
                return self._text_delta(event.index, event.text)
            case ReasoningDelta():
                return self._other_delta("reasoning", event.index, event.text)
            case RefusalDelta():
                return self._other_delta("text", event.index, event.text)
            case ToolCallDelta():
                call_id = self._calls[event.index][0]
                delta = {"type": "tool-input-delta", "toolCallId": call_id, "inputTextDelta": event.arguments_text}
                return data_frame(delta)
            case RunStarted():
                return self._started(event)
            case StepStarted():
                return self._end_step() + self._start_step()
            case Handover():
                self._goes_on = self._text is not None
                return self._close_other() + data_frame(_handover(event))
            case ToolCallStarted():
                return self._call_started(event)
            case ToolCallReady():
                return data_frame({**self._call("tool-input-available", event.index), "input": event.arguments})
            case ToolCallFinished():
                return self._call_finished(event)
            case RunWaiting():
                self._is_waiting = True
                return self._end_step()
            case RunResumed():
                self._is_waiting = False
                return b""
            case RunFinished():
                return self._finished(event)
            case ToolCallRunning() | ProviderStateKept():
                return b""
            case _:
                assert_never(event)

    def end(self) -> bytes:
        """Return the end of a stream whose run goes on: when the client has answered, or without this stream."""
        self.is_over = True
        if self._is_waiting:
            finish = {"type": "finish", "finishReason": "tool-calls"}
            return data_frame({**finish, "messageMetadata": {"status": "requires_action"}})
        return self._end_step() + data_frame({"type": "error", "errorText": BROKEN_OFF})

    def _started(self, event: RunStarted) -> bytes:
        metadata = start_metadata(event.message, event.run)
        start = data_frame({"type": "start", "messageId": event.message.id, "messageMetadata": metadata})
        begun = b"".join([self.encode(each) for each in part_events(event.message)])
        return start + self._start_step() + begun

    def _text_delta(self, index: int, text: str) -> bytes:
        start = b""
        if index != self._text_part:
            start = self._close_other()
            if not self._goes_on:
                start += self._close_text() + data_frame({"type": "text-start", "id": str(index)})
                self._text = index
            self._text_part, self._goes_on = index, False
        return start + b'data: {"type":"text-delta","id":"%d","delta":%b}\n\n' % (self._text or 0, encode(text))

    def _other_delta(self, kind: str, index: int, text: str) -> bytes:
        start = b""
        if self._other != (kind, index):
            start = self._close_other() + data_frame({"type": f"{kind}-start", "id": str(index)})
            self._other = (kind, index)
        return start + data_frame({"type": f"{kind}-delta", "id": str(index), "delta": text})

    def _close_text(self) -> bytes:
        index, self._text = self._text, None
        return data_frame({"type": "text-end", "id": str(index)}) if index is not None else b""

    def _close_other(self) -> bytes:
        other, self._other = self._other, None
        return data_frame({"type": f"{other[0]}-end", "id": str(other[1])}) if other else b""

    def _start_step(self) -> bytes:
        self._is_in_step = True
        return data_frame({"type": "start-step"})

    def _end_step(self) -> bytes:
        frames = self._close_other() + self._close_text()
        self._goes_on = False
        if self._is_in_step:
            self._is_in_step = False
            frames += data_frame({"type": "finish-step"})
        return frames

    def _call(self, kind: str, index: int) -> dict[str, Any]:
        call_id, name, of_kind = self._calls[index]
        fields: dict[str, Any] = {"type": kind, "toolCallId": call_id, "toolName": name}
        return fields if runs_at_client(of_kind) else {**fields, "providerExecuted": True}

    def _call_started(self, event: ToolCallStarted) -> bytes:
        self._calls[event.index] = (event.call_id, event.name, event.kind)
        return self._close_other() + data_frame(self._call("tool-input-start", event.index))

    def _call_finished(self, event: ToolCallFinished) -> bytes:
        call_id = self._calls[event.index][0]
        if event.state == "succeeded":
            return data_frame({"type": "tool-output-available", "toolCallId": call_id, "output": event.output})
        text = error_text(event.state, event.error)
        return data_frame({"type": "tool-output-error", "toolCallId": call_id, "errorText": text})

    def _finished(self, event: RunFinished) -> bytes:
        self.is_over = True
        run, frames, metadata = event.run, self._end_step(), end_metadata(event.run)
        match run.status:
            case "completed" | "incomplete":
                finish = {"type": "finish", "finishReason": finish_reason(run), "messageMetadata": metadata}
                return frames + data_frame(finish)
            case "cancelled":
                end: dict[str, Any] = {"type": "abort"}
            case _:
                end = {"type": "error", "errorText": run.error.message if run.error else INTERRUPTED}
        return frames + data_frame({"type": "message-metadata", "messageMetadata": metadata}) + data_frame(end)


def _handover(event: Handover) -> dict[str, Any]:
    data = {"from": event.from_model, "to": event.to_model, "reason": event.reason}
    return {"type": "data-handover", "id": str(event.index), "data": data}
