"""Chat Completions: a run's events as chunks, and the whole answer made of the same pieces.

1. Text is sent as it comes. Texts of several steps, or beside a reply, have an empty line between them.
2. A call is sent whole, as soon as its arguments are known to be valid: a call that is not is corrected by the model.
3. The client's functions are `tool_calls`. Calls of our own functions are not shown: the client could not answer them.
4. A reply is text: its arguments as JSON. If the client wants a form (`response_format`), nothing else is text; should
   the model not have used the form, its text comes at the end as it is.
5. Reasoning is `reasoning_content`, a field that DeepSeek's API began and most clients know.
6. What the client had given as the beginning of the answer is not sent back.
7. A run that fails ends the stream with an error, and without `[DONE]`, as OpenAI's does.

Source: OpenAI's API reference, "The chat completion chunk object".
"""

from typing import Any, assert_never

import msgspec

from chatkeep import clock
from chatkeep.api.dialects.framing import data_frame, encode
from chatkeep.api.dialects.openai_errors import to_run_error
from chatkeep.api.dialects.openai_usage import completion_usage
from chatkeep.api.dialects.ui_parts import BROKEN_OFF, INTERRUPTED
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
from chatkeep.chat.texts import join_texts
from chatkeep.chat.types import Kind, Message, Problem, Run

ID_PREFIX = "chatcmpl-"
DONE = b"data: [DONE]\n\n"
_SEPARATOR = "\n\n"

Delta = dict[str, Any]


class CompletionDeltas:
    """Makes the deltas of one answer. `reply` is the function that stands for the client's `response_format`."""

    def __init__(self, reply: str | None = None) -> None:
        self._reply = reply
        self._begun = 0  # parts that the client knows
        self._calls: dict[int, tuple[str, str, Kind | None]] = {}  # call id, name and kind, by the index of the part
        self.text_part = -1  # the part that text was last written in
        self._goes_on = False  # the next text belongs to the last one
        self._has_text = False
        self.call_count = 0  # of the client's functions

    def begin(self, message: Message) -> None:
        """Take the answer as it begins."""
        self._begun = len(message.parts)

    def take(self, event: Event) -> Delta | None:  # one case an event
        """Return the delta of an event; None if it has none."""
        match event:
            case TextDelta():
                return None if self._reply is not None else self._text(event.index, event.text)
            case ReasoningDelta():
                return {"reasoning_content": event.text}
            case RefusalDelta():
                return {"refusal": event.text}
            case StepStarted():
                self._goes_on = False
                return None
            case Handover():
                self._goes_on = self._has_text
                return None
            case ToolCallStarted():
                self._calls[event.index] = (event.call_id, event.name, event.kind)
                return None
            case ToolCallReady():
                return self._call(event)
            case RunStarted() | RunFinished() | RunWaiting() | RunResumed():
                return None
            case ToolCallDelta() | ToolCallRunning() | ToolCallFinished() | ProviderStateKept():
                return None
            case _:
                assert_never(event)

    def finish(self, message: Message) -> Delta | None:
        """Return what the end of an answer adds: text that was held back for a form that did not come."""
        if self._reply is None or self._has_text or self.call_count:
            return None
        text = join_texts(message.parts[self._begun :], _SEPARATOR)
        return {"content": text} if text else None

    def _text(self, index: int, text: str) -> Delta:
        if index != self.text_part:
            if self._has_text and not self._goes_on:
                text = _SEPARATOR + text
            self.text_part, self._goes_on = index, False
        self._has_text = True
        return {"content": text}

    def _call(self, event: ToolCallReady) -> Delta | None:
        call_id, name, kind = self._calls[event.index]
        arguments = msgspec.json.encode(event.arguments).decode()
        if kind == "reply":
            is_form = self._reply is None or name == self._reply
            return self._text(event.index, arguments) if is_form else None
        if kind != "client":
            return None
        call = {"index": self.call_count, "id": call_id, "type": "function"}
        self.call_count += 1
        return {"tool_calls": [{**call, "function": {"name": name, "arguments": arguments}}]}


class CompletionEncoder:
    """Makes the frames of one stream. `model` is the name that the client gave it."""

    def __init__(self, model: str, reply: str | None, *, has_usage: bool) -> None:
        self._model = model
        self._has_usage = has_usage
        self._deltas = CompletionDeltas(reply)
        self._head: Delta = {}
        self._begin = b""  # of a frame with a text, which most are
        self.is_over = False

    def begin(self) -> bytes:
        """Return nothing: the head comes with `run.started`."""
        return b""

    def encode(self, event: Event) -> bytes:
        """Return the frames of `event`."""
        if isinstance(event, TextDelta) and event.index == self._deltas.text_part:  # most events
            return b'%b%b},"finish_reason":null}]}\n\n' % (self._begin, encode(event.text))
        if isinstance(event, RunStarted):
            return self._start(event)
        delta = self._deltas.take(event)
        if isinstance(event, RunFinished):
            return self._finish(event.run, event.message)
        return b"" if delta is None else self._frame(delta)

    def end(self) -> bytes:
        """Return the end of a stream whose run goes on without it."""
        self.is_over = True
        return data_frame(to_run_error(Problem("broken_off", BROKEN_OFF, retryable=True)))

    def _start(self, event: RunStarted) -> bytes:
        self._deltas.begin(event.message)
        self._head = head_of(event.run, self._model, "chat.completion.chunk")
        head = encode(self._head).removesuffix(b"}")
        self._begin = b'data: %b,"choices":[{"index":0,"delta":{"content":' % head
        return self._frame({"role": "assistant", "content": ""})

    def _frame(self, delta: Delta, reason: str | None = None) -> bytes:
        return data_frame({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    def _finish(self, run: Run, message: Message) -> bytes:
        self.is_over = True
        if problem := problem_of(run):
            return data_frame(to_run_error(problem))
        rest = self._deltas.finish(message)
        frames = [self._frame(rest)] if rest else []
        frames.append(self._frame({}, finish_reason(run, self._deltas.call_count)))
        if self._has_usage:
            frames.append(data_frame({**self._head, "choices": [], "usage": completion_usage(run.usage)}))
        return b"".join([*frames, DONE])


def head_of(run: Run, model: str, kind: str) -> Delta:
    """Return the fields that all chunks of an answer have in common; those of the whole answer for another `kind`."""
    created = int(clock.parse(run.created_at).timestamp())
    return {"id": f"{ID_PREFIX}{run.id}", "object": kind, "created": created, "model": model}


def to_completion(run: Run, message: Message, model: str, begun: int = 0, reply: str | None = None) -> Delta:
    """Return the whole answer: what its stream amounts to. `begun`: how many parts of it the client had given."""
    deltas = CompletionDeltas(reply)
    deltas.begin(msgspec.structs.replace(message, parts=message.parts[:begun]))
    made = [deltas.take(event) for event in part_events(message) if getattr(event, "index", begun) >= begun]
    fields: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    for delta in (*made, deltas.finish(message)):
        for name, value in (delta or {}).items():
            fields[name] = value if fields.get(name) is None else fields[name] + value
    for call in fields.get("tool_calls", ()):
        del call["index"]
    reason = finish_reason(run, deltas.call_count)
    choice = {"index": 0, "message": fields, "finish_reason": reason, "logprobs": None}
    return {**head_of(run, model, "chat.completion"), "choices": [choice], "usage": completion_usage(run.usage)}


def finish_reason(run: Run, call_count: int) -> str:
    """Return the reason of an answer's end, from OpenAI's list."""
    if run.status == "completed":
        return "tool_calls" if call_count else "stop"
    return "content_filter" if run.finish_reason == "content_filter" else "length"


def problem_of(run: Run) -> Problem | None:
    """Return why an answer cannot stand as one; None if it can, whole or cut at a limit."""
    if run.error is not None:
        return run.error
    if run.status == "completed" or (run.status == "incomplete" and run.finish_reason != "missing"):
        return None
    if run.status == "incomplete":
        return Problem("model_protocol", "the provider's answer broke off", retryable=True)
    return Problem(run.status, INTERRUPTED if run.status == "interrupted" else "the answer was stopped", retryable=True)
