"""The promises that hold after a restart, whenever the process was killed (docs/http-api.md, docs/events.md)."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from chatkeep.chat.event_log import after, fold, position_length
from chatkeep.chat.events import Event, RunFinished, RunStarted, decode, encode
from chatkeep.chat.types import has_ended
from tests.faults.client_records import Json, Reading, SentRequest, SessionRecord, split_units
from tests.faults.process import Home, Service
from tests.faults.random_clients import ASYNC, JSON
from tests.faults.upstream import QUICK

TABLES = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE name = 'run_events'",
    "postgres": "SELECT 1 FROM pg_tables WHERE tablename = 'run_events'",
}
LOG = """SELECT e.event FROM run_events e JOIN runs r ON r.session_key = e.session_key AND r.number = e.run_number
          WHERE r.id = $1 ORDER BY e.position"""
OF_KEY = """SELECT r.id FROM runs r JOIN sessions s ON s.session_key = r.session_key
             WHERE s.id = $1 AND r.idempotency_key = $2"""
OPEN = "SELECT id, position FROM runs WHERE status IN ('in_progress', 'requires_action')"


@dataclass
class Remains:
    """Remains of dead processes: the open runs with their positions, and their logs."""

    cut: dict[str, int] = field(default_factory=dict[str, int])
    logs: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @classmethod
    def of(cls, home: Home) -> "Remains":
        """Read the remains from a copy, before the service is started again."""
        with home.remains() as query:
            if not query(TABLES[home.engine]):
                return cls()
            remains = cls(dict(query(OPEN)))
            for run_id in remains.cut:
                rows = query(LOG, run_id)
                remains.logs[run_id] = [row[0] for row in rows]
            return remains

    def then(self, later: "Remains") -> "Remains":
        """Add the remains of a later start that died as well. The first death of a run counts."""
        return Remains(later.cut | self.cut, later.logs | self.logs)


class RunSnapshot(NamedTuple):
    """The service's responses about a run, as bytes."""

    run: bytes
    message: bytes
    events: bytes


@dataclass
class Checks:
    """The checks of one database, over all its restarts. `tally` counts what was checked."""

    home: Home
    rng: random.Random
    tally: Counter[str] = field(default_factory=Counter[str])
    checked: dict[str, RunSnapshot] = field(default_factory=dict[str, RunSnapshot])
    """Responses about the runs that were checked completely, at that time."""

    async def check_all(
        self, service: Service, chats: list[SessionRecord], remains: Remains, *, all_again: bool = False
    ) -> None:
        """Check everything new since the last time, and some or all of the rest."""
        with self.home.inspect() as query:
            assert list(query(OPEN)) == []
            ended: dict[str, str] = dict(query("SELECT id, status FROM runs"))
        deleted_ids = {run_id for run_id in self.checked if run_id not in ended}
        self.checked = {
            run_id: old_snapshot for run_id, old_snapshot in self.checked.items() if run_id not in deleted_ids
        }
        for run_id in remains.cut:
            assert ended[run_id] == "interrupted", (run_id, ended[run_id])
        self.tally["runs interrupted"] += len(remains.cut)
        old = sorted(self.checked) if all_again else self.rng.sample(sorted(self.checked), min(10, len(self.checked)))
        for run_id, snapshot in zip(old, await self._read_runs(service, old), strict=True):
            assert snapshot == self.checked[run_id], f"{run_id} changed after its end"
        new = sorted(ended.keys() - self.checked.keys())
        new_snapshots = dict(zip(new, await self._read_runs(service, new), strict=True))
        self.checked |= new_snapshots
        checked = [self._check_run(service, run_id, new_snapshots[run_id], remains) for run_id in new]
        logs = dict(zip(new, await asyncio.gather(*checked), strict=True))
        await asyncio.gather(*(self._check_session(service, chat, logs) for chat in chats))

    async def _check_run(self, service: Service, run_id: str, snapshot: RunSnapshot, remains: Remains) -> list[Event]:
        """Check an ended run: its log is complete, its message is the fold, and committed events are unchanged."""
        run, message, events = json.loads(snapshot.run), json.loads(snapshot.message), log_of(run_id, snapshot.events)
        first, last = events[0], events[-1]
        assert isinstance(first, RunStarted)
        assert isinstance(last, RunFinished)
        assert has_ended(last.run.status)
        assert [type(event) for event in events].count(RunFinished) == 1
        assert as_json(last.run) == run
        assert as_json(last.message) == message
        assert fold(events) == last.message
        assert run["position"] == last.position
        if run_id in remains.cut:
            committed = split_units([decode(event) for event in remains.logs[run_id]])
            assert len(committed) == remains.cut[run_id]
            assert split_units(events)[: len(committed)] == committed, (
                f"{run_id}: the recovery changed what was committed"
            )
            assert run["error"] is None
            assert run["finish_reason"] in (None, "tool_calls", "stop")  # the provider's last one, of a step before
        place = self.rng.randint(0, last.position - 1)
        rest = await self._log(service, run_id, place)
        assert split_units(rest) == split_units(after(events, place)), (run_id, place)
        self.tally["runs checked"] += 1
        return events

    async def _log(self, service: Service, run_id: str, place: int = 0) -> list[Event]:
        reading = Reading(run_id, place)
        async with service.client.stream("GET", f"/api/runs/{run_id}/events", params={"after": place}) as answer:
            await reading.follow(answer)
        return reading.events

    async def _read_runs(self, service: Service, run_ids: list[str]) -> list[RunSnapshot]:
        return await asyncio.gather(*(self._read_run(service, run_id) for run_id in run_ids))

    async def _read_run(self, service: Service, run_id: str) -> RunSnapshot:
        run = await service.client.get(f"/api/runs/{run_id}")
        assert run.status_code == 200, run.text
        message = await service.client.get(f"/api/messages/{run.json()['message_id']}")
        events = await service.client.get(f"/api/runs/{run_id}/events")
        assert (message.status_code, events.status_code) == (200, 200)
        return RunSnapshot(run.content, message.content, events.content)

    async def _check_session(self, service: Service, chat: SessionRecord, logs: dict[str, list[Event]]) -> None:
        """Check a session: all that its client received, its history, its keys, and that it accepts a message."""
        answer = await service.client.get(f"/api/sessions/{chat.id}")
        if answer.status_code == 404:
            assert chat.is_deleting or not chat.is_created, f"session {chat.id} is lost"
            chat.is_deleted, chat.readings = True, []
            return
        assert not chat.is_deleted, f"session {chat.id} came back"
        chat.is_deleting = False
        session = answer.json()
        assert session["status"] == "idle"
        messages = await self._history(service, chat)
        for sent in chat.requests:
            await self._check_request(service, sent, messages)
        for run_id, run in chat.ended_runs.items():
            assert (await service.client.get(f"/api/runs/{run_id}")).json() == run
        for reading in chat.readings:
            log = logs.get(reading.run_id) or await self._log(service, reading.run_id)
            self._check_reading(reading, log)
        chat.readings = []
        await self._repeat_keys(service, chat)
        await self._check_next_message(service, chat)

    def _check_reading(self, reading: Reading, log: list[Event]) -> None:
        """Check that the log has all that a reader saw, at the same positions, with nothing between."""
        seen = split_units(reading.events)
        assert split_units(after(log, reading.begin))[: len(seen)] == seen, (reading.run_id, reading.begin)
        self.tally["events seen"] += len(reading.events)
        self.tally["characters and events seen"] += sum(map(position_length, reading.events))

    async def _history(self, service: Service, chat: SessionRecord) -> list[Json]:
        answer = await service.client.get(f"/api/sessions/{chat.id}/messages", params={"branches": "all"})
        messages: list[Json] = answer.json()["data"]
        assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
        assert await self._message_count(service, chat) == len(messages)
        return messages

    async def _message_count(self, service: Service, chat: SessionRecord) -> int:
        return (await service.client.get(f"/api/sessions/{chat.id}")).json()["message_count"]

    async def _check_request(self, service: Service, sent: SentRequest, messages: list[Json]) -> None:
        """Check that an acknowledged message is stored as sent. Any other is stored once or not at all."""
        if "content" in sent.body:
            parts = [{"type": "text", "text": sent.body["content"]}]
            found = [message["id"] for message in messages if message["parts"] == parts and message["role"] == "user"]
            assert len(found) == 1 if sent.run_id else len(found) <= 1, (sent, found)
        else:
            found = [sent.body["message_id"]]
        if sent.run_id:
            run = (await service.client.get(f"/api/runs/{sent.run_id}")).json()
            assert run["user_message_id"] == found[0]
            self.tally["messages acknowledged"] += 1

    async def _repeat_keys(self, service: Service, chat: SessionRecord) -> None:
        """Repeat every key: it finds its run, also if the answer was lost. If none was stored, it starts one."""
        for sent in chat.requests:
            if sent.key is None:
                continue
            stored, before = self._run_of(chat, sent.key), await self._message_count(service, chat)
            assert sent.run_id in (None, stored), (sent, stored)
            answer = await service.client.post(sent.path, json=sent.body, headers=sent.headers(**ASYNC))
            assert answer.status_code == 202, answer.text
            sent.set_run(answer.json()["run"]["id"])
            assert stored in (None, sent.run_id)
            new = (2 if "content" in sent.body else 1) if stored is None else 0
            assert await self._message_count(service, chat) == before + new
            if stored is None:
                await service.client.post(f"/api/runs/{sent.run_id}/cancel")
            self.tally["keys repeated"] += 1

    async def _check_next_message(self, service: Service, chat: SessionRecord) -> None:
        self.tally["sessions gone on"] += 1
        sent = chat.add_request({"content": f"{QUICK} {self.tally['sessions gone on']}"}, None)
        answer = await service.client.post(sent.path, json=sent.body, headers=JSON)
        assert (answer.status_code, answer.json()["run"]["status"]) == (200, "completed"), answer.text
        sent.set_run(answer.json()["run"]["id"])

    def _run_of(self, chat: SessionRecord, key: str) -> str | None:
        with self.home.inspect() as query:
            rows = query(OF_KEY, chat.id, key)
        return rows[0][0] if rows else None


def log_of(run_id: str, stream: bytes) -> list[Event]:
    """Return the log that a whole stream contains."""
    reading = Reading(run_id, 0)
    for block in stream.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        reading.take({**json.loads(fields["data"]), "id": fields["id"]})
    return reading.events


def as_json(value: object) -> Json:
    """Return a value in the JSON form that clients get."""
    return json.loads(encode(value))
