"""What clients were told: everything that the service may never un-say, noted the moment it arrives."""

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
class Sent:
    """A POST that makes a run. `run_id` is None as long as no answer has come: then nothing is promised."""

    path: str
    body: Json
    key: str | None
    run_id: str | None = None

    def headers(self, **more: str) -> dict[str, str]:
        """The request's headers."""
        return {**more, **({"idempotency-key": self.key} if self.key is not None else {})}

    def made(self, run_id: str) -> None:
        """An answer names the run; every answer must name the same one."""
        assert self.run_id in (None, run_id), (self, run_id)
        self.run_id = run_id


@dataclass
class Reading:
    """What one reader saw of a run's log, from `begin` on; by whole events only."""

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
        """The next event of the stream: it begins where the last one ended."""
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
class Chat:
    """A session, and what its client knows of it."""

    id: str
    made: bool = False
    deleted: bool = False
    deleting: bool = False
    sent: list[Sent] = field(default_factory=list[Sent])
    readings: list[Reading] = field(default_factory=list[Reading])
    ended: dict[str, Json] = field(default_factory=dict[str, Json])
    """Runs that an answer told of as ended: such a one never changes again."""

    def reads(self, run_id: str, begin: int = 0) -> Reading:
        """A new reader of one of its runs."""
        reading = Reading(run_id, begin)
        self.readings.append(reading)
        return reading

    def sends(self, body: Json, key: str | None, path: str = "messages") -> Sent:
        """Note a POST before it is made."""
        sent = Sent(f"/api/sessions/{self.id}/{path}", body, key)
        self.sent.append(sent)
        return sent


def spelled(events: list[Event]) -> list[Unit]:
    """A log unit by unit: each character of a delta, and each other event whole, with the place that it takes."""
    found: list[Unit] = []
    for event in events:
        said = getattr(event, "text", None) or getattr(event, "arguments_text", None)
        if said is None:
            found.append((event.position, event))
        else:
            kind, index, begin = type(event).__name__, event.index, event.position - len(said)  # type: ignore[union-attr]  # only deltas say something
            found += [(begin + n, (kind, index, letter)) for n, letter in enumerate(said, 1)]
    return found
