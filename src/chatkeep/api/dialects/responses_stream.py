"""The Responses API: a run's events as those of a response, and the response that they amount to.

1. A response is a segment of a run: from its beginning, or from after a wait for the client, to the next wait or the
   end. The object that is read is the `response` of the same fold, so the two cannot differ.
2. A `sequence_number` is computed from a position of the log, so it stays the same however deltas were merged or cut:
   each position has `SLOTS` numbers. The frames that begin and end items have the first of them, in their order; a
   delta has the last but one, of its last character. The last one is kept for an `error` where the stream breaks off.
3. So each character of a delta has a number, and `starting_after` may cut a delta.
4. A text ends when the next part begins. After a handover it goes on under the same id (`chat/texts.py`).
5. An answer in the form of `text.format` is the call of a reply (`FORMAT_PREFIX`). It is shown as text when its
   arguments are known to be valid; one that is not valid is not shown, and the model corrects it.
"""

from typing import Any, NamedTuple, assert_never

from chatkeep.api.dialects import responses_items as items
from chatkeep.api.dialects.framing import encode
from chatkeep.api.dialects.responses_items import Item, ItemStatus, item_id
from chatkeep.api.dialects.responses_object import end_of_run, end_of_wait
from chatkeep.api.dialects.responses_text import FORMS, TEXT, OpenText, TextForm, TextLike, delta_template
from chatkeep.api.dialects.ui_parts import BROKEN_OFF
from chatkeep.chat.event_log import position_length
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
from chatkeep.chat.types import Usage

SLOTS = 16
"""Numbers that each position has. No event makes more than 14 frames beside a delta."""
DONE = b"data: [DONE]\n\n"
"""The end of every stream (Open Responses, "Streaming")."""


class _Call(NamedTuple):
    """A call of this response, at `output_index`; -1 for one that is shown as text. `delta` is the frame's template."""

    id: str
    output_index: int
    call_id: str
    name: str
    pieces: list[str]
    delta: bytes

    def item(self, status: ItemStatus) -> Item:
        """Return the call as an item."""
        return items.call_item(self.id, self.call_id, self.name, "".join(self.pieces), status)


class ResponseEncoder:
    """Makes the frames of one response, and the response itself (`response`)."""

    def __init__(self, head: dict[str, Any], message_id: str, after: int = 0, seen: int = -1) -> None:
        """`head` is the response as it begins, `message_id` our message. The segment begins after position `after`.

        Of its frames, only those whose number is higher than `seen` are returned.
        """
        self._output: list[Item] = []
        self.response: dict[str, Any] = {**head, "output": self._output}
        self._message_id = message_id
        self._after = after
        self._seen = seen
        self._seen_position = after + (seen + 2) // SLOTS
        self._position = after
        self._number = 0  # of the next frame
        self._part = -1  # the index of the text-like part that is written now,
        self._current: OpenText | None = None  # and its text, which is one of these two
        self._text: OpenText | None = None
        self._reasoning: OpenText | None = None
        self._goes_on = False  # the next text belongs to the open one
        self._calls: dict[int, _Call] = {}
        self._has_begun = False
        self.ending: RunFinished | RunWaiting | None = None
        self.is_over = False

    def encode(self, event: Event) -> bytes:  # noqa: C901, PLR0912  # one case an event
        """Return the frames of `event`; of the last one of the segment, those before the end (`finish`)."""
        if type(event) is TextDelta and event.index == self._part and self._current is not None:  # nearly all are such
            self._position = event.position
            self._current.pieces.append(event.text)
            return self._delta(self._current.delta, event.position, event.text)
        if self.ending is not None:
            return b""
        self._position = event.position
        self._number = SLOTS * (event.position - position_length(event) - self._after)
        match event:
            case TextDelta() | RefusalDelta() | ReasoningDelta():
                return self._add_text(event)
            case ToolCallDelta():
                return self._add_arguments(event)
            case RunStarted() | RunResumed():
                return self._begin()
            case StepStarted():
                return self._close_texts()
            case Handover():
                self._goes_on = self._text is not None and self._text.form is TEXT
                return self._close_reasoning()
            case ToolCallStarted():
                return self._close_texts() + self._start_call(event)
            case ToolCallReady():
                return self._call_ready(event)
            case ToolCallFinished():
                return self._call_finished(event)
            case RunWaiting():
                self.ending = event
                return self._begin() + self._close_texts()
            case RunFinished():
                self.ending = event
                return self._begin() + self._close_texts(
                    "completed" if event.run.status == "completed" else "incomplete"
                )
            case ToolCallRunning() | ProviderStateKept():
                return b""
            case _:
                assert_never(event)

    def finish(self, usage: Usage | None) -> bytes:
        """Return the last frames, after the event `ending`; `usage` is that of the segment."""
        self.is_over = True
        ending = self.ending
        assert ending is not None, "the segment has come to its end"
        end = end_of_run(ending.run, usage) if isinstance(ending, RunFinished) else end_of_wait(usage)
        self.response.update(end.fields)
        return self._frame(end.event, response=self.response) + DONE

    def break_off(self) -> bytes:
        """Return the last frames of a stream that ends before the response does. Its number is of no other frame."""
        self.is_over = True
        self._number = max(SLOTS * (self._position - self._after) - 1, 0)
        error = {"type": "server_error", "code": "broken_off", "message": BROKEN_OFF, "param": None}
        return self._frame("error", error=error) + DONE

    def snapshot(self) -> dict[str, Any]:
        """Return the response as it is now, with what is open in it."""
        output = list(self._output)
        for text in (self._text, self._reasoning):
            if text is not None:
                output[text.output_index] = text.item("in_progress", text.part())
        for call in self._calls.values():
            if self._is_open(call):
                output[call.output_index] = call.item("in_progress")
        return {**self.response, "output": output}

    def end_items(self, status: ItemStatus) -> list[Item]:
        """End the text that is open, as `status`, and return all items."""
        self._close_texts(status)
        return self._output

    def _frame(self, type_: str, **fields: Any) -> bytes:
        number = self._number
        self._number += 1
        if number <= self._seen:
            return b""
        body = encode({"type": type_, "sequence_number": number, **fields})
        return b"event: %b\ndata: %b\n\n" % (type_.encode(), body)

    def _delta(self, template: bytes, position: int, text: str) -> bytes:
        seen = self._seen_position
        if position <= seen:
            return b""
        if position - len(text) < seen:
            text = text[seen - position :]
        return template % (SLOTS * (position - self._after) - 2, encode(text))

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        begun: dict[str, Any] = {**self.response, "output": []}
        return self._frame("response.created", response=begun) + self._frame("response.in_progress", response=begun)

    def _add_item(self, item: Item) -> bytes:
        self._output.append(item)
        return self._frame("response.output_item.added", output_index=len(self._output) - 1, item=item)

    def _end_item(self, output_index: int, item: Item) -> bytes:
        self._output[output_index] = item
        return self._frame("response.output_item.done", output_index=output_index, item=item)

    def _add_text(self, event: TextLike) -> bytes:
        start = b"" if event.index == self._part else self._begin_text(event)
        assert self._current is not None, "the part has just begun"
        self._current.pieces.append(event.text)
        return start + self._delta(self._current.delta, event.position, event.text)

    def _begin_text(self, event: TextLike) -> bytes:
        self._part = event.index
        frames = self._close_reasoning()
        if isinstance(event, ReasoningDelta):
            frames += b"" if self._goes_on else self._close_texts()
            self._reasoning, opened = self._open_text(FORMS[ReasoningDelta], event.index)
            self._current = self._reasoning
            return frames + opened
        goes_on, self._goes_on = self._goes_on and isinstance(event, TextDelta), False
        if not goes_on:
            frames += self._close_texts()
            self._text, opened = self._open_text(FORMS[type(event)], event.index)
            frames += opened
        self._current = self._text
        return frames

    def _open_text(self, form: TextForm, index: int) -> tuple[OpenText, bytes]:
        text = OpenText(form, item_id(form.prefix, self._message_id, index), len(self._output))
        frames = self._add_item(text.item("in_progress"))
        return text, frames + self._frame(f"{form.part_event}.added", **text.place, part=text.part())

    def _close_text(self, text: OpenText | None, status: ItemStatus) -> bytes:
        if text is None:
            return b""
        form, part = text.form, text.part()
        frames = self._frame(f"{form.text_event}.done", **text.place, **{form.field: "".join(text.pieces)}, **form.more)
        frames += self._frame(f"{form.part_event}.done", **text.place, part=part)
        return frames + self._end_item(text.output_index, text.item(status, part))

    def _close_reasoning(self, status: ItemStatus = "completed") -> bytes:
        reasoning, self._reasoning = self._reasoning, None
        return self._close_text(reasoning, status)

    def _close_texts(self, status: ItemStatus = "completed") -> bytes:
        frames = self._close_reasoning(status)
        text, self._text, self._goes_on = self._text, None, False
        return frames + self._close_text(text, status)

    def _start_call(self, event: ToolCallStarted) -> bytes:
        if items.is_format(event.kind, event.name):
            self._calls[event.index] = _Call("", -1, event.call_id, event.name, [], b"")
            return b""
        id_, output_index = item_id("fc", self._message_id, event.index), len(self._output)
        place = {"item_id": id_, "output_index": output_index}
        delta = delta_template("response.function_call_arguments.delta", place, {})
        call = _Call(id_, output_index, event.call_id, event.name, [], delta)
        self._calls[event.index] = call
        return self._add_item(call.item("in_progress"))

    def _add_arguments(self, event: ToolCallDelta) -> bytes:
        call = self._calls[event.index]
        call.pieces.append(event.arguments_text)
        return self._delta(call.delta, event.position, event.arguments_text) if call.delta else b""

    def _call_ready(self, event: ToolCallReady) -> bytes:
        call, text = self._calls[event.index], encode(event.arguments).decode()
        if call.output_index < 0:
            shown, frames = self._open_text(TEXT, event.index)
            shown.pieces.append(text)
            frames += self._frame(f"{TEXT.text_event}.delta", **shown.place, delta=text, **TEXT.more)
            return frames + self._close_text(shown, "completed")
        if not "".join(call.pieces).strip():
            call.pieces[:] = [text]  # no arguments at all stand for `{}`
        return self._close_call(call, "completed")

    def _close_call(self, call: _Call, status: ItemStatus) -> bytes:
        place = {"item_id": call.id, "output_index": call.output_index, "name": call.name}
        frames = self._frame("response.function_call_arguments.done", **place, arguments="".join(call.pieces))
        return frames + self._end_item(call.output_index, call.item(status))

    def _call_finished(self, event: ToolCallFinished) -> bytes:
        call = self._calls.get(event.index)  # None: it waited, and its output is the input of this response
        if call is None or call.output_index < 0:
            return b""
        frames = self._close_call(call, "incomplete") if self._is_open(call) else b""
        id_ = item_id("fco", self._message_id, event.index)
        output = items.output_item(id_, call.call_id, event.state, event.output, event.error)
        frames += self._add_item({**output, "status": "in_progress"})
        return frames + self._end_item(len(self._output) - 1, output)

    def _is_open(self, call: _Call) -> bool:
        return call.output_index >= 0 and self._output[call.output_index]["status"] == "in_progress"
