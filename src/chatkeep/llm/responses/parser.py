"""Parses the event stream of the Responses API into the chunks of Chat Completions; see `sse_parser.py` for its frames.

    response.created                        the answer begins
    response.output_item.added              an item: reasoning, a message, or a function call
    response.output_text.delta              more of it
    response.output_item.done               the whole item
    response.completed                      the whole response: the end

1. An event of a type that is not known here is skipped.
2. Text and arguments come as deltas. Where a server sends none, they are read from the whole item, else, if nothing
   of their kind came at all, from the whole response. Else these only repeat what came. No call is added to others.
3. An item of type `reasoning` is opaque, and goes back with the calls after it (`llm/provider_state.py`). It is taken
   whole when it is done: until then, `encrypted_content` may be incomplete.
4. `response.completed` and `response.incomplete` end the stream; `response.failed` and `error` are its failure. Without
   any of them it was cut.
5. Between two messages, and two parts of a summary, stands an empty line.
6. An event without a type is skipped, unless it has text where another API sends its answer: a failure.
"""

from collections.abc import Container
from typing import Any

import msgspec

from chatkeep.errors import ModelProtocol
from chatkeep.llm.chunks import Choice, Chunk, InputDetails, MessageDelta, OutputDetails, TokenCounts
from chatkeep.llm.odd_chunks import read_count
from chatkeep.llm.payloads import PayloadDecoder
from chatkeep.llm.provider_errors import error_from_frame
from chatkeep.llm.responses.output import (
    Json,
    OutputCalls,
    TextField,
    as_id,
    as_index,
    as_object,
    as_objects,
    as_text,
    item_texts,
    text_chunk,
)
from chatkeep.llm.responses.request import reasoning_item
from chatkeep.llm.sse_parser import NOT_UNDERSTOOD, SseParser, read_json
from chatkeep.llm.unread import has_unread

_TEXTS: dict[str, TextField] = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning.delta": "reasoning",  # Open Responses
}
"""Events with a piece of text."""
MAX_ITEMS = 1_000
"""Of how many items it is remembered that their text came. Beyond them, whole items are taken to repeat it."""
_REASONS = {"max_output_tokens": "length"}
"""Reasons of an incomplete response that Chat Completions name otherwise."""

_STATUSES = ("completed", "in_progress", "queued")
"""OpenAI's states of a response without fault. Any other that is not known must not pass for a whole answer."""


class _StreamEvent(msgspec.Struct, gc=False):
    """An event: the fields that are read of all its types."""

    type: Any = None
    delta: Any = None
    output_index: Any = None
    item_id: Any = None
    arguments: Any = None
    item: Any = None
    response: Any = None
    error: Any = None
    code: Any = None
    message: Any = None


_decoder = PayloadDecoder(_StreamEvent)


class ResponsesParser(SseParser):
    """Parses one body of the Responses API."""

    __slots__ = ("_calls", "_has_break", "_has_ended", "_has_reasoning", "_last_field", "_streamed")

    def __init__(self, key: str | None = None) -> None:
        """See `SseParser`."""
        super().__init__(key)
        self._calls = OutputCalls()
        self._streamed: dict[TextField, set[int | None]] = {}  # the output indexes of which some text came
        self._has_ended = False  # the response is whole: nothing after it counts
        self._has_reasoning = False  # a whole item of reasoning came
        self._last_field: TextField | None = None  # of the latest text
        self._has_break = False  # an empty line comes before the next text, if it goes to the same field

    def _parse_payloads(self, payloads: list[bytes]) -> list[Chunk]:
        chunks: list[Chunk] = []
        events = _decoder.decode(payloads)
        for event, payload in zip(events, payloads, strict=False):  # there are fewer if one is not understood
            chunks += self._read_event(event, payload)
            if self.failure is not None or self._has_ended:
                return chunks
        if len(events) < len(payloads):
            self.failure = ModelProtocol(NOT_UNDERSTOOD)
        return chunks

    def _parse_answer(self, answer: Any, body: bytes) -> list[Chunk] | None:
        del body
        fields = as_object(answer)
        if not isinstance(fields.get("output"), list) or fields.get("error"):
            return None
        return self._end_response(_StreamEvent("response.completed", response=fields))

    def _read_event(self, event: _StreamEvent, payload: bytes) -> list[Chunk]:
        """Return the chunks of `event`, which was decoded from `payload`."""
        name = as_text(event.type)
        if event.error is not None:
            self.failure = error_from_frame(event.error, self._key)
        elif (field := _TEXTS.get(name)) is not None:
            return self._read_text(field, event)
        elif name == "error":
            self.failure = error_from_frame({"code": event.code, "message": event.message}, self._key)
        elif name:
            return self._read_named(name, event)
        elif has_unread(read_json(payload)):
            self.failure = ModelProtocol("the provider answered in a form that is not understood")
        return []

    def _read_named(self, name: str, event: _StreamEvent) -> list[Chunk]:
        match name:
            case "response.output_item.added":
                return self._begin_item(event)
            case "response.reasoning_summary_part.added":
                self._has_break = True
                return []
            case "response.function_call_arguments.delta":
                return self._add_arguments(event)
            case "response.function_call_arguments.done":
                return self._calls.add_arguments(*_place(event), as_text(event.arguments), is_whole=True)
            case "response.output_item.done":
                return self._end_item(event)
            case "response.completed" | "response.incomplete" | "response.failed":
                return self._end_response(event)
            case _:
                return []

    def _read_text(self, field: TextField, event: _StreamEvent) -> list[Chunk]:
        if not isinstance(event.delta, str):
            return self._refuse_delta(event)
        return [self._add_text(field, as_index(event.output_index), event.delta)] if event.delta else []

    def _add_text(self, field: TextField, output_index: int | None, text: str) -> Chunk:
        """Return the chunk of a text of the item at `output_index`."""
        indexes = self._streamed.setdefault(field, set())
        indexes.add(output_index if len(indexes) < MAX_ITEMS else None)
        if self._has_break and field == self._last_field:
            text = "\n\n" + text
        self._last_field, self._has_break = field, False
        return text_chunk(field, text)

    def _begin_item(self, event: _StreamEvent) -> list[Chunk]:
        item = as_object(event.item)
        if item.get("type") == "function_call":
            self._last_field = None
            return self._calls.begin(as_index(event.output_index), item)
        self._has_break = True
        return []

    def _add_arguments(self, event: _StreamEvent) -> list[Chunk]:
        if not isinstance(event.delta, str):
            return self._refuse_delta(event)
        return self._calls.add_arguments(*_place(event), event.delta)

    def _refuse_delta(self, event: _StreamEvent) -> list[Chunk]:
        if event.delta is not None:
            self.failure = ModelProtocol(NOT_UNDERSTOOD)
        return []

    def _end_item(self, event: _StreamEvent) -> list[Chunk]:
        index = as_index(event.output_index)
        streamed = {field for field, indexes in self._streamed.items() if index is None or {index, None} & indexes}
        return self._read_item(index, as_object(event.item), streamed)

    def _read_item(self, output_index: int | None, item: Json, streamed: Container[TextField]) -> list[Chunk]:
        """Return the chunks of what did not come before of a whole item; `streamed` are the fields whose text did."""
        chunks: list[Chunk] = []
        match item.get("type"):
            case "function_call":
                self._last_field = None
                return self._calls.complete(output_index, item)
            case "message" | "reasoning" as kind:
                self._has_break = True
                for field, text in item_texts(item):
                    if field not in streamed:
                        chunks.append(self._add_text(field, output_index, text))
                        self._has_break = kind == "reasoning"
                if kind == "reasoning":
                    self._has_reasoning = True
                    kept = reasoning_item(item)
                    chunks += [Chunk([Choice(MessageDelta(reasoning_details=[kept]))])] if kept else []
                self._has_break = True
            case _:
                pass
        return chunks

    def _end_response(self, event: _StreamEvent) -> list[Chunk]:
        """Return the chunks of a whole response: what did not come before, its finish reason, its tokens."""
        response = as_object(event.response)
        status = as_text(response.get("status"))
        states = (event.type, f"response.{status}")  # some servers call every end `completed`
        if "response.failed" in states:
            self.failure = error_from_frame(response.get("error"), self._key)
            return []
        self.done = self._has_ended = True
        chunks = self._read_output(response.get("output"))
        reason = "tool_calls" if self._calls else "stop"
        if "response.incomplete" in states or "response.cancelled" in states:
            reason = as_text(as_object(response.get("incomplete_details")).get("reason")) or "incomplete"
        elif status and status not in _STATUSES:
            reason = status
        chunks.append(Chunk([Choice(finish_reason=_REASONS.get(reason, reason))], _read_usage(response.get("usage"))))
        return chunks

    def _read_output(self, output: Any) -> list[Chunk]:
        """Return the chunks of a whole response: texts, reasoning and calls, each only if none came before."""
        has_calls, has_reasoning, streamed = bool(self._calls), self._has_reasoning, set(self._streamed)
        chunks: list[Chunk] = []
        for item in as_objects(output):
            kind = item.get("type")
            if kind == "function_call" and has_calls:
                chunks += self._calls.complete_known(item)
            elif kind != "reasoning" or not has_reasoning:
                chunks += self._read_item(None, item, streamed)
        return chunks


def _place(event: _StreamEvent) -> tuple[int | None, str]:
    """Return the output index and the id of an event's item."""
    return as_index(event.output_index), as_id(event.item_id)


def _read_usage(usage: Any) -> TokenCounts | None:
    """Return the tokens of a response. Those that were cached or of reasoning (`…_details`) are among them."""
    fields = as_object(usage)
    input_tokens, output_tokens = read_count(fields.get("input_tokens")), read_count(fields.get("output_tokens"))
    if input_tokens is None and output_tokens is None:
        return None
    cached = read_count(as_object(fields.get("input_tokens_details")).get("cached_tokens"))
    reasoning = read_count(as_object(fields.get("output_tokens_details")).get("reasoning_tokens"))
    return TokenCounts(
        input_tokens,
        output_tokens,
        prompt_tokens_details=InputDetails(cached) if cached else None,
        completion_tokens_details=OutputDetails(reasoning) if reasoning else None,
    )
