"""Responses as they are stored: reading one by its id, and its stream from any number on."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import reduce
from typing import Any, NamedTuple

from chatkeep.api.dialects.responses_object import response_head
from chatkeep.api.dialects.responses_segments import ResponseId, Segment, parse_response_id, split_log, split_message
from chatkeep.api.dialects.responses_stream import ResponseEncoder
from chatkeep.api.stream_server import EventStream
from chatkeep.chat.events import RunFinished
from chatkeep.chat.model_call import ModelCall
from chatkeep.chat.types import Run, Usage
from chatkeep.db import Transaction
from chatkeep.errors import EventsExpired, NotFound
from chatkeep.runs.follow import follow
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import history as store_history
from chatkeep.store import model_calls as store_calls
from chatkeep.store import runs as store_runs

_OF_RUN = ("model", "instructions", "tools", "tool_choice", "text", "temperature", "top_p", "max_output_tokens",
           "reasoning", "truncation", "store", "parallel_tool_calls")  # fmt: skip
"""The fields that all responses of a run have in common: it goes on as it began."""


class StoredResponse(NamedTuple):
    """A response: its run, the run's record, all segments of the run, and its calls of models."""

    id: ResponseId
    run: Run
    record: dict[str, Any]
    segments: Sequence[Segment]
    calls: Sequence[ModelCall]
    has_log: bool

    @property
    def segment(self) -> Segment:
        """The segment that this response is."""
        return self.segments[self.id.wait]

    @property
    def is_last(self) -> bool:
        """True if nothing of the run comes after this response."""
        return self.id.wait == len(self.segments) - 1

    def encoder(self, seen: int = -1) -> ResponseEncoder:
        """Return the encoder of its frames after the number `seen`."""
        head = response_head(str(self.id), self.run, self.noted())
        return ResponseEncoder(head, self.run.message_id, self.id.after, seen)

    def noted(self) -> dict[str, Any]:
        """Return what its request said, of the fields that it repeats."""
        first: dict[str, Any] = self.record.get("noted", {})
        if self.id.wait == 0:
            return first
        later: dict[str, Any] = self.record.get("noted_after", {}).get(str(self.id.after), {})
        return {**{name: value for name, value in first.items() if name in _OF_RUN}, **later}

    def usage(self, ending: object) -> Usage | None:
        """Return the tokens of the response, which ended with the event `ending`."""
        if isinstance(ending, RunFinished) and self.id.wait == 0:
            return ending.run.usage
        first, last = self.segment.first_step, self.segment.last_step
        return reduce(_add, [call for call in self.calls if first <= call.step <= last], Usage())

    def to_object(self) -> dict[str, Any]:
        """Return the response as it is now."""
        encoder = self.encoder()
        for event in self.segment.events:
            encoder.encode(event)
        if encoder.ending is None:
            return encoder.snapshot()
        encoder.finish(self.usage(encoder.ending))
        return encoder.response


async def get_response(runtime: Runtime, owner: str, response_id: str) -> StoredResponse:
    """Return the owner's response.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    found = parse_response_id(response_id)
    if found is None:
        raise NotFound(f"no response {response_id}")
    stored = await runtime.db.snapshot(lambda tx: read_response(tx, owner, found))
    if stored is None:
        raise NotFound(f"no response {response_id}")
    return stored


async def read_response(tx: Transaction, owner: str, response_id: ResponseId) -> StoredResponse | None:
    """Return the owner's response; None if its run has no such segment.

    Raises:
        NotFound: there is no such run, or it belongs to another owner.
    """
    answer = await store_history.get_answer(tx, owner, response_id.run_id)
    run = answer.run
    record = await store_runs.get_request(tx, run.key)
    calls = await store_calls.list_calls(tx, run.key)
    events = await store_events.list_events(tx, run.key)
    begun: int = record.get("continued", {}).get("parts", 0)
    segments = split_log(events) if events else split_message(run, answer.user_message, answer.message, begun)
    is_there = response_id.wait < len(segments)
    if not is_there or (events and segments[response_id.wait].after != response_id.after):
        return None
    return StoredResponse(response_id, run, record, segments, calls, bool(events))


def response_stream(runtime: Runtime, owner: str, stored: StoredResponse, seen: int = -1) -> EventStream[bytes]:
    """Return the stream of a response: its frames after the number `seen`.

    Raises:
        EventsExpired: its log is no longer kept.
    """
    if not stored.has_log:
        raise EventsExpired("the events of this response are no longer kept", message_id=stored.run.message_id)
    encoder = stored.encoder(seen)
    frames = response_frames(runtime, owner, stored, encoder)
    headers = {"location": f"/v1/responses/{stored.id}"}
    return EventStream(frames, bytes, headers, is_last=lambda _: encoder.is_over, prefix=b"")


async def response_frames(
    runtime: Runtime, owner: str, stored: StoredResponse, encoder: ResponseEncoder
) -> AsyncGenerator[bytes]:
    """Yield the frames of a response as its events come, with its end."""
    async with aclosing(follow(runtime, stored.run, stored.id.after)) as source:
        async for entries in source:
            frames = b"".join([encoder.encode(entry.event) for entry in entries])
            if encoder.ending is not None:
                frames += encoder.finish(await _read_usage(runtime, owner, stored, encoder.ending))
            yield frames
            if encoder.is_over:
                return
    yield encoder.break_off()


async def _read_usage(runtime: Runtime, owner: str, stored: StoredResponse, ending: object) -> Usage | None:
    if isinstance(ending, RunFinished) and stored.id.wait == 0:
        return ending.run.usage
    now = await runtime.db.snapshot(lambda tx: read_response(tx, owner, stored.id))
    return now.usage(ending) if now else None


def _add(usage: Usage, call: ModelCall) -> Usage:
    return Usage(
        usage.input_tokens + call.input_tokens,
        usage.output_tokens + call.output_tokens,
        usage.cached_input_tokens + call.cached_input_tokens,
        usage.reasoning_tokens + call.reasoning_tokens,
    )
