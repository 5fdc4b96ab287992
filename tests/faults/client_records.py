"""Records of everything that clients received: the service may never take any of it back."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx2
import msgspec

from chatkeep.chat.event_log import position_length
from chatkeep.chat.events import Event, RunFinished
from tests.service import read_events

Json: TypeAlias = dict[str, Any]
Unit: TypeAlias = tuple[int, object]


@dataclass
class SentRequest:
    """A POST that starts a run. While `run_id` is None no answer has come, and nothing is promised."""

    path: str
    body: Json
    key: str | None
    run_id: str | None = None

    def headers(self, **more: str) -> dict[str, str]:
        """Return the request's headers."""
        return {**more, **({"idempotency-key": self.key} if self.key is not None else {})}

    def set_run(self, run_id: str) -> None:
        """Record the run that an answer names. Every answer must name the same one."""
        assert self.run_id in (None, run_id), (self, run_id)
        self.run_id = run_id


@dataclass
class Reading:
    """The events of a run's log that one reader has received, from position `begin`."""

    run_id: str
    begin: int
    events: list[Event] = field(default_factory=list[Event])
    source: AsyncGenerator[Json] | None = None

    @property
    def position(self) -> int:
        return self.events[-1].position if self.events else self.begin

    @property
    def is_over(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], RunFinished)

    def take(self, fields: Json) -> None:
        """Add the next event of the stream, which begins where the last one ended."""
        event = msgspec.convert(fields, Event)
        assert str(fields["id"]).rpartition(".")[2] == str(event.position)
        assert event.position - position_length(event) == self.position, (event, self.position)
        assert not self.is_over, f"something comes after the end: {event}"
        self.events.append(event)

    async def follow(self, answer: httpx2.Response, limit: int | None = None) -> None:
        """Read until the stream ends, which it may only after `run.finished`; or stop after `limit` events."""
        assert answer.status_code == 200, (answer.status_code, await answer.aread())
        self.source = self.source or read_events(answer)
        async for fields in self.source:
            self.take(fields)
            if limit is not None and len(self.events) >= limit:
                return
        assert self.is_over, f"the stream of {self.run_id} ended at {self.position}, before its run"


@dataclass
class SessionRecord:
    """A session, and all that its client has received about it."""

    id: str
    is_created: bool = False
    is_deleted: bool = False
    is_deleting: bool = False
    requests: list[SentRequest] = field(default_factory=list[SentRequest])
    readings: list[Reading] = field(default_factory=list[Reading])
    ended_runs: dict[str, Json] = field(default_factory=dict[str, Json])
    """Runs that a response showed as ended: they never change again."""

    def add_reading(self, run_id: str, begin: int = 0) -> Reading:
        """Add a reader of one of its runs."""
        reading = Reading(run_id, begin)
        self.readings.append(reading)
        return reading

    def add_request(self, body: Json, key: str | None, path: str = "messages") -> SentRequest:
        """Record a POST before it is sent."""
        sent = SentRequest(f"/api/sessions/{self.id}/{path}", body, key)
        self.requests.append(sent)
        return sent


def split_units(events: list[Event]) -> list[Unit]:
    """Return a log as units: each character of a delta, and each other event, with its position."""
    units: list[Unit] = []
    for event in events:
        text = getattr(event, "text", None) or getattr(event, "arguments_text", None)
        if text is None:
            units.append((event.position, event))
        else:
            kind, index, begin = type(event).__name__, event.index, event.position - len(text)  # type: ignore[union-attr]  # only deltas say something
            units += [(begin + n, (kind, index, character)) for n, character in enumerate(text, 1)]
    return units
