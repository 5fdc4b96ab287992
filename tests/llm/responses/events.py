"""Answers in the form of the Responses API, event by event, as OpenAI's reference has them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Self

Event = dict[str, Any]

USAGE: Event = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 12,
}


class Answer:
    """An answer. Each method adds an item, or an event; `events` has them all."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.output: list[Event] = []
        self.add("response.created", response=response("in_progress"))
        self.add("response.in_progress", response=response("in_progress"))

    def add(self, kind: str, **fields: Any) -> Self:
        """Add an event of the type `kind`."""
        self.events.append({"type": kind, "sequence_number": len(self.events), **fields})
        return self

    def say(self, *texts: str) -> Self:
        """Add a message, each text a delta."""
        part: Event = {"type": "output_text", "text": "".join(texts), "annotations": [], "logprobs": []}
        return self._message("output_text", texts, part, {"text": "", "annotations": [], "logprobs": []}, logprobs=[])

    def refuse(self, *texts: str) -> Self:
        """Add a message that refuses."""
        return self._message("refusal", texts, {"type": "refusal", "refusal": "".join(texts)}, {"refusal": ""})

    def think(self, *summary: Sequence[str], encrypted: str | None = None) -> Self:
        """Add reasoning: a summary, each part of which comes in deltas."""
        at = self._begin({"type": "reasoning", "id": self._new_id("rs"), "summary": []})
        item_id = self.output[-1]["id"]
        for number, texts in enumerate(summary):
            whole = {"type": "summary_text", "text": "".join(texts)}
            where = {"item_id": item_id, "output_index": at, "summary_index": number}
            self.add("response.reasoning_summary_part.added", **where, part={"type": "summary_text", "text": ""})
            for text in texts:
                self.add("response.reasoning_summary_text.delta", **where, delta=text)
            self.add("response.reasoning_summary_text.done", **where, text=whole["text"])
            self.add("response.reasoning_summary_part.done", **where, part=whole)
            self.output[-1]["summary"].append(whole)
        return self._end(encrypted_content=encrypted)

    def call(self, call_id: str, name: str, *arguments: str) -> Self:
        """Add a function call, its arguments in deltas."""
        at = self._begin(call_item(self._new_id("fc"), call_id, name, "", "in_progress"))
        for piece in arguments:
            self.add_arguments(at, piece)
        whole = {"arguments": "".join(arguments), "name": name}
        self.add("response.function_call_arguments.done", item_id=self.output[-1]["id"], output_index=at, **whole)
        return self._end(**whole, status="completed")

    def add_arguments(self, at: int, piece: str) -> Self:
        """Add a piece of the arguments of the call at the output index `at`."""
        item_id = self.output[at]["id"]
        return self.add("response.function_call_arguments.delta", item_id=item_id, output_index=at, delta=piece)

    def end(self, status: str = "completed", **fields: Any) -> Self:
        """End the response with `status`; `fields` are others of the response."""
        whole = response(status, **{"output": self.output, "usage": USAGE, **fields})
        return self.add(f"response.{status}", response=whole)

    def frames(self) -> list[bytes]:
        """Return the events of the stream, one bytes object each."""
        return to_frames(self.events)

    def _message(self, kind: str, texts: Sequence[str], part: Event, empty: Event, **more: Any) -> Self:
        at = self._begin({
            "type": "message", "id": self._new_id("msg"), "role": "assistant", "status": "in_progress", "content": [],
        })  # fmt: skip
        where = {"item_id": self.output[-1]["id"], "output_index": at, "content_index": 0}
        self.add("response.content_part.added", **where, part={"type": kind, **empty})
        for text in texts:
            self.add(f"response.{kind}.delta", **where, delta=text, **more)
        whole = {"text" if kind == "output_text" else "refusal": "".join(texts)}
        self.add(f"response.{kind}.done", **where, **whole, **more)
        self.add("response.content_part.done", **where, part=part)
        return self._end(content=[part], status="completed")

    def _begin(self, item: Event) -> int:
        self.output.append(item)
        self.add("response.output_item.added", output_index=len(self.output) - 1, item=dict(item))
        return len(self.output) - 1

    def _end(self, **fields: Any) -> Self:
        self.output[-1] = {**self.output[-1], **fields}
        return self.add("response.output_item.done", output_index=len(self.output) - 1, item=self.output[-1])

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}_{len(self.output)}"


def call_item(item_id: str, call_id: str, name: str, arguments: str, status: str = "completed") -> Event:
    """Return an item of type `function_call`."""
    call = {"call_id": call_id, "name": name, "arguments": arguments}
    return {"type": "function_call", "id": item_id, **call, "status": status}


def response(status: str, **fields: Any) -> Event:
    """Return a response object."""
    return {
        "id": "resp_1", "object": "response", "created_at": 1764460800, "status": status, "error": None,
        "incomplete_details": None, "instructions": "You are a test.", "model": "gpt-5-mini", "output": [],
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": 1.0, "top_p": 1.0,
        "metadata": {}, "store": False, "usage": None, **fields,
    }  # fmt: skip


def to_frames(events: Iterable[Event]) -> list[bytes]:
    """Return `events` as those of an event stream."""
    return [b"event: %b\ndata: %b\n\n" % (str(event.get("type")).encode(), encode(event)) for event in events]


def encode(event: Any) -> bytes:
    """Return JSON as OpenAI writes it, without blanks."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
