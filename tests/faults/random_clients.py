"""Clients at work until the service dies: each acts in a random order of its own."""

import asyncio
import random
import uuid
from typing import Any

import httpx2

from tests.faults.client_records import Json, Reading, SentRequest, SessionRecord
from tests.faults.process import Service
from tests.faults.upstream import ENDLESS
from tests.service import read_events

JSON = {"accept": "application/json"}
ASYNC = {"prefer": "respond-async"}


class RandomClient:
    """A client with one session at a time; `rng` makes its choices."""

    def __init__(self, service: Service, chat: SessionRecord, rng: random.Random, name: str) -> None:
        self.chats = [chat]
        self._client = service.client
        self._rng = rng
        self._name = name
        self._count = 0

    @property
    def chat(self) -> SessionRecord:
        """The client's current session."""
        return self.chats[-1]

    async def act_until_gone(self) -> None:
        """Do one action after another until the service is gone."""
        actions = (
            *(self.read_whole_answer, self.read_in_pieces, self.read_in_pieces, self.read_with_two_readers),
            *(self.repeat_request, self.request_json, self.cancel_run, self.interrupt_run, self.replace_session),
        )
        try:
            await self.open_session()
            while True:
                await self._rng.choice(actions)()
        except httpx2.TransportError:
            return

    async def hold_endless_answer(self, has_started: asyncio.Event) -> None:
        """Follow an endless answer, so that a kill always cuts one."""
        try:
            await self.open_session()
            sent = self._new_message(ENDLESS, key=True)
            async with self._post(sent) as answer:
                await self._read(sent, answer, limit=3)
                has_started.set()
            await self._resume(self.chat.readings[-1])
        except httpx2.TransportError:
            return

    async def follow_session(self) -> None:
        """Follow the session stream, as long as it lasts."""
        chat = self.chat
        readings: dict[str, Reading] = {}
        try:
            await self.open_session()
            async with self._client.stream("GET", f"/api/sessions/{chat.id}/events") as answer:
                assert answer.status_code == 200
                async for fields in read_events(answer):
                    if fields["id"] is None:  # a session event
                        continue
                    run_id = fields["run_id"]
                    if run_id not in readings:  # the first one may be under way already
                        delta = fields.get("text", fields.get("arguments_text", "."))
                        assert not readings or fields["position"] == 1
                        readings[run_id] = chat.add_reading(run_id, fields["position"] - len(delta))
                    readings[run_id].take(fields)
        except httpx2.TransportError:
            return

    async def open_session(self) -> None:
        """Create the session, if it does not exist. Safe to repeat, since the client chooses the id."""
        was_created = self.chat.is_created  # before it is sent: another task of this client may create it meanwhile
        answer = await self._client.post("/api/sessions", json={"id": self.chat.id})
        assert answer.status_code == (200 if was_created else answer.status_code), answer.text
        assert answer.status_code in (200, 201), answer.text
        self.chat.is_created = True

    async def read_whole_answer(self) -> None:
        """Read an answer to its end."""
        sent = self._new_message(key=False)
        async with self._post(sent) as answer:
            await self._read(sent, answer)

    async def read_in_pieces(self) -> None:
        """Read some events, disconnect, resume; several times."""
        sent = self._new_message(key=True)
        async with self._post(sent) as answer:
            reading = await self._read(sent, answer, limit=self._rng.randint(1, 8))
        await self._resume(reading)

    async def read_with_two_readers(self) -> None:
        """Read one answer with two readers, one of them from an earlier position."""
        sent = self._new_message(key=False)
        async with self._post(sent) as answer:
            reading = await self._read(sent, answer, limit=self._rng.randint(1, 8))
            late = self._follow(self.chat.add_reading(reading.run_id, self._rng.randint(0, reading.position)))
            await asyncio.gather(reading.follow(answer) if not reading.is_over else asyncio.sleep(0), late)

    async def repeat_request(self) -> None:
        """Send the same message twice with one key, which starts one run."""
        sent = self._new_message(key=True)
        for headers in (ASYNC, ASYNC):
            answer = await self._client.post(sent.path, json=sent.body, headers=sent.headers(**headers))
            assert answer.status_code == 202, answer.text
            sent.set_run(answer.json()["run"]["id"])
        async with self._post(sent) as stream:
            await self._read(sent, stream)

    async def request_json(self) -> None:
        """Request the answer as JSON; then regenerate it."""
        result = await self._post_for_json(self._new_message(key=True))
        body = {"message_id": result["user_message"]["id"]}
        await self._post_for_json(self.chat.add_request(body, key=self._key(), path="runs"))

    async def cancel_run(self) -> None:
        """Cancel an answer while it is being made."""
        sent = self._new_message(self._rng.choice(("some", ENDLESS)), key=False)
        async with self._post(sent) as stream:
            reading = await self._read(sent, stream, limit=self._rng.randint(1, 12))
            answer = await self._client.post(f"/api/runs/{reading.run_id}/cancel")
            assert answer.status_code in (200, 202), answer.text
            assert answer.status_code == 200 or answer.json()["status"] == "cancelled"
            self.chat.ended_runs[reading.run_id] = answer.json()
            if not reading.is_over:
                await reading.follow(stream)

    async def interrupt_run(self) -> None:
        """Send another message while an answer is being made, with `on_busy: interrupt`."""
        first = self._new_message(ENDLESS, key=False)
        answer = await self._client.post(first.path, json=first.body, headers=first.headers(**ASYNC))
        assert answer.status_code == 202, answer.text
        first.set_run(answer.json()["run"]["id"])
        sent = self._new_message(key=True, on_busy="interrupt")
        async with self._post(sent) as stream:
            await self._read(sent, stream)

    async def replace_session(self) -> None:
        """Delete the session with an answer under way, and open another; four times in ten."""
        if self._rng.random() < 0.6:
            return
        chat = self.chat
        sent = self._new_message(ENDLESS, key=False)
        async with self._post(sent) as stream:
            await self._read(sent, stream, limit=3)
        chat.is_deleting = True
        answer = await self._client.delete(f"/api/sessions/{chat.id}")
        assert answer.status_code == 204, answer.text
        chat.is_deleted = True
        self.chats.append(SessionRecord(str(uuid.UUID(int=self._rng.getrandbits(128), version=4))))
        await self.open_session()

    def _new_message(self, kind: str = "some", *, key: bool, **more: Any) -> SentRequest:
        self._count += 1
        content = f"{kind} {self._name} {self._count}"
        return self.chat.add_request({"content": content, **more}, self._key() if key else None)

    def _key(self) -> str:
        self._count += 1
        return f"{self._name}:{self._count}"

    def _post(self, sent: SentRequest) -> Any:
        return self._client.stream("POST", sent.path, json=sent.body, headers=sent.headers())

    async def _read(self, sent: SentRequest, answer: httpx2.Response, limit: int | None = None) -> Reading:
        assert answer.status_code == 200, (answer.status_code, await answer.aread())
        sent.set_run(answer.headers["location"].rpartition("/")[2])
        assert sent.run_id is not None
        reading = self.chat.add_reading(sent.run_id)
        await reading.follow(answer, limit)
        return reading

    async def _resume(self, reading: Reading) -> None:
        while not reading.is_over:
            reading = self.chat.add_reading(reading.run_id, reading.position)
            await self._follow(reading, limit=self._rng.choice((2, 5, 20, None)))

    async def _follow(self, reading: Reading, limit: int | None = None) -> None:
        path, position = f"/api/runs/{reading.run_id}/events", str(reading.begin)
        by_header = {"headers": {"last-event-id": position}}
        how: dict[str, Any] = self._rng.choice((by_header, {"params": {"after": position}}))
        async with self._client.stream("GET", path, **how) as answer:
            if answer.status_code != 204:  # it ended where this reader already is
                await reading.follow(answer, limit)

    async def _post_for_json(self, sent: SentRequest) -> Json:
        answer = await self._client.post(sent.path, json=sent.body, headers=sent.headers(**JSON))
        assert answer.status_code == 200, answer.text
        result = answer.json()
        sent.set_run(result["run"]["id"])
        self.chat.ended_runs[result["run"]["id"]] = result["run"]
        return result
