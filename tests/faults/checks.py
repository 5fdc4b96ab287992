"""What must hold after a restart, whatever the moment of the death (protocol §3, §6)."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from chatkeep.chat.event_log import after, fold, position_length
from chatkeep.chat.events import Event, RunFinished, RunStarted, decode, encode
from chatkeep.chat.types import has_ended
from tests.faults.chats import Chat, Json, Reading, Sent, spelled
from tests.faults.people import ASYNC, JSON
from tests.faults.process import Home, Service
from tests.faults.upstream import QUICK

TABLES = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE name = 'run_events'",
    "postgres": "SELECT 1 FROM pg_tables WHERE tablename = 'run_events'",
}
LOG = "SELECT e.event FROM run_events e JOIN runs r ON r.log = e.log WHERE r.id = $1 ORDER BY e.position"
OPEN = "SELECT id, position FROM runs WHERE status IN ('in_progress', 'requires_action')"


@dataclass
class Remains:
    """What dead processes left: the runs that were cut, with how far they had come, and the logs."""

    cut: dict[str, int] = field(default_factory=dict[str, int])
    logs: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @classmethod
    def of(cls, home: Home) -> "Remains":
        """Read from a copy, before the service is started again."""
        with home.remains() as check_ownership:
            if not check_ownership(TABLES[home.engine]):
                return cls()
            remains = cls(dict(check_ownership(OPEN)))
            for run_id in remains.cut:
                rows = check_ownership(LOG, run_id)
                remains.logs[run_id] = [row[0] for row in rows]
            return remains

    def then(self, later: "Remains") -> "Remains":
        """Together with what a start that died as well has left: what was cut first counts."""
        return Remains(later.cut | self.cut, later.logs | self.logs)


class Told(NamedTuple):
    """What the service says of a run, byte by byte."""

    run: bytes
    message: bytes
    events: bytes


@dataclass
class Checks:
    """The checks of one database, over all its restarts. `tally` counts what was held against what."""

    home: Home
    rng: random.Random
    tally: Counter[str] = field(default_factory=Counter[str])
    proven: dict[str, Told] = field(default_factory=dict[str, Told])
    """Runs that were checked whole: what the service said of them then."""

    async def hold(self, service: Service, chats: list[Chat], remains: Remains, *, all_again: bool = False) -> None:
        """Check everything that is new since the last time, and some, or all, of what is old."""
        with self.home.looked_at() as check_ownership:
            assert list(check_ownership(OPEN)) == []
            ended: dict[str, str] = dict(check_ownership("SELECT id, status FROM runs"))
        gone = {run_id for run_id in self.proven if run_id not in ended}
        self.proven = {run_id: said for run_id, said in self.proven.items() if run_id not in gone}
        for run_id in remains.cut:
            assert ended[run_id] == "interrupted", (run_id, ended[run_id])
        self.tally["runs interrupted"] += len(remains.cut)
        old = sorted(self.proven) if all_again else self.rng.sample(sorted(self.proven), min(10, len(self.proven)))
        for run_id, told in zip(old, await self._all_told(service, old), strict=True):
            assert told == self.proven[run_id], f"{run_id} changed after its end"
        new = sorted(ended.keys() - self.proven.keys())
        told = dict(zip(new, await self._all_told(service, new), strict=True))
        self.proven |= told
        proven = [self._run(service, run_id, told[run_id], remains) for run_id in new]
        logs = dict(zip(new, await asyncio.gather(*proven), strict=True))
        await asyncio.gather(*(self._chat(service, chat, logs) for chat in chats))

    async def _run(self, service: Service, run_id: str, told: Told, remains: Remains) -> list[Event]:
        """One ended run: its log is whole, its message the fold, and what had been committed is there as it was."""
        run, message, events = json.loads(told.run), json.loads(told.message), log_of(run_id, told.events)
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
            committed = spelled([decode(event) for event in remains.logs[run_id]])
            assert len(committed) == remains.cut[run_id]
            assert spelled(events)[: len(committed)] == committed, f"{run_id}: the recovery changed what was committed"
            assert run["error"] is None
            assert run["finish_reason"] in (None, "tool_calls", "stop")  # the provider's last one, of a step before
        place = self.rng.randint(0, last.position - 1)
        rest = await self._log(service, run_id, place)
        assert spelled(rest) == spelled(after(events, place)), (run_id, place)
        self.tally["runs checked"] += 1
        return events

    async def _log(self, service: Service, run_id: str, place: int = 0) -> list[Event]:
        reading = Reading(run_id, place)
        async with service.client.stream("GET", f"/api/runs/{run_id}/events", params={"after": place}) as answer:
            await reading.follow(answer)
        return reading.events

    async def _all_told(self, service: Service, run_ids: list[str]) -> list[Told]:
        return await asyncio.gather(*(self._told(service, run_id) for run_id in run_ids))

    async def _told(self, service: Service, run_id: str) -> Told:
        run = await service.client.get(f"/api/runs/{run_id}")
        assert run.status_code == 200, run.text
        message = await service.client.get(f"/api/messages/{run.json()['message_id']}")
        events = await service.client.get(f"/api/runs/{run_id}/events")
        assert (message.status_code, events.status_code) == (200, 200)
        return Told(run.content, message.content, events.content)

    async def _chat(self, service: Service, chat: Chat, logs: dict[str, list[Event]]) -> None:
        """One session: what its client was told, its history, its keys, and that it goes on."""
        answer = await service.client.get(f"/api/sessions/{chat.id}")
        if answer.status_code == 404:
            assert chat.deleting or not chat.made, f"session {chat.id} is lost"
            chat.deleted, chat.readings = True, []
            return
        assert not chat.deleted, f"session {chat.id} came back"
        chat.deleting = False
        session = answer.json()
        assert session["status"] == "idle"
        messages = await self._history(service, chat)
        for sent in chat.sent:
            await self._sent(service, sent, messages)
        for run_id, told in chat.ended.items():
            assert (await service.client.get(f"/api/runs/{run_id}")).json() == told
        for reading in chat.readings:
            log = logs.get(reading.run_id) or await self._log(service, reading.run_id)
            self._seen(reading, log)
        chat.readings = []
        await self._repeats(service, chat)
        await self._goes_on(service, chat)

    def _seen(self, reading: Reading, log: list[Event]) -> None:
        """All that a reader saw is in the log, at the same place, and nothing between."""
        seen = spelled(reading.events)
        assert spelled(after(log, reading.begin))[: len(seen)] == seen, (reading.run_id, reading.begin)
        self.tally["events seen"] += len(reading.events)
        self.tally["characters and events seen"] += sum(map(position_length, reading.events))

    async def _history(self, service: Service, chat: Chat) -> list[Json]:
        answer = await service.client.get(f"/api/sessions/{chat.id}/messages", params={"branches": "all"})
        messages: list[Json] = answer.json()["data"]
        assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
        assert await self._message_count(service, chat) == len(messages)
        return messages

    async def _message_count(self, service: Service, chat: Chat) -> int:
        return (await service.client.get(f"/api/sessions/{chat.id}")).json()["message_count"]

    async def _sent(self, service: Service, sent: Sent, messages: list[Json]) -> None:
        """An acknowledged message is there, as it was sent; one that was not is there once, or not at all."""
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

    async def _repeats(self, service: Service, chat: Chat) -> None:
        """Every key finds its run. One whose answer was lost finds it too, if it was stored; else it is new."""
        for sent in chat.sent:
            if sent.key is None:
                continue
            stored, before = self._run_of(chat, sent.key), await self._message_count(service, chat)
            assert sent.run_id in (None, stored), (sent, stored)
            answer = await service.client.post(sent.path, json=sent.body, headers=sent.headers(**ASYNC))
            assert answer.status_code == 202, answer.text
            sent.made(answer.json()["run"]["id"])
            assert stored in (None, sent.run_id)
            new = (2 if "content" in sent.body else 1) if stored is None else 0
            assert await self._message_count(service, chat) == before + new
            if stored is None:
                await service.client.post(f"/api/runs/{sent.run_id}/cancel")
            self.tally["keys repeated"] += 1

    async def _goes_on(self, service: Service, chat: Chat) -> None:
        self.tally["sessions gone on"] += 1
        sent = chat.sends({"content": f"{QUICK} {self.tally['sessions gone on']}"}, None)
        answer = await service.client.post(sent.path, json=sent.body, headers=JSON)
        assert (answer.status_code, answer.json()["run"]["status"]) == (200, "completed"), answer.text
        sent.made(answer.json()["run"]["id"])

    def _run_of(self, chat: Chat, key: str) -> str | None:
        with self.home.looked_at() as check_ownership:
            rows = check_ownership("SELECT id FROM runs WHERE session_id = $1 AND idempotency_key = $2", chat.id, key)
        return rows[0][0] if rows else None


def log_of(run_id: str, stream: bytes) -> list[Event]:
    """The log that a whole stream tells of."""
    reading = Reading(run_id, 0)
    for block in stream.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        reading.take({**json.loads(fields["data"]), "id": fields["id"]})
    return reading.events


def as_json(value: object) -> Json:
    """A value as clients get it."""
    return json.loads(encode(value))
