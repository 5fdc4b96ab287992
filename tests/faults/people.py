"""Clients at work until the service dies: each does, in an order of its own, what clients do."""

import asyncio
import random
import uuid
from typing import Any

import httpx2

from tests.faults.chats import Chat, Json, Reading, Sent
from tests.faults.process import Service
from tests.faults.upstream import ENDLESS
from tests.service import read_events

JSON = {"accept": "application/json"}
ASYNC = {"prefer": "respond-async"}


class Person:
    """A client with one session at a time; its choices follow from `rng`."""

    def __init__(self, service: Service, chat: Chat, rng: random.Random, name: str) -> None:
        self.chats = [chat]
        self._client = service.client
        self._rng = rng
        self._name = name
        self._count = 0

    @property
    def chat(self) -> Chat:
        """The session it is in."""
        return self.chats[-1]

    async def lives(self) -> None:
        """Do one thing after another until the service is gone."""
        actions = (
            *(self.listens, self.leaves_and_comes_back, self.leaves_and_comes_back, self.reads_twice),
            *(self.repeats, self.waits_for_json, self.cancels, self.interrupts, self.starts_anew),
        )
        try:
            await self.opens()
            while True:
                await self._rng.choice(actions)()
        except httpx2.TransportError:
            return

    async def holds(self, begun: asyncio.Event) -> None:
        """Follow an answer that does not end, so that there is one to be cut."""
        try:
            await self.opens()
            sent = self._says(ENDLESS, key=True)
            async with self._posted(sent) as answer:
                await self._read(sent, answer, limit=3)
                begun.set()
            await self._resumes(self.chat.readings[-1])
        except httpx2.TransportError:
            return

    async def feeds(self) -> None:
        """Follow the whole session as well, as long as it lasts."""
        chat = self.chat
        readings: dict[str, Reading] = {}
        try:
            await self.opens()
            async with self._client.stream("GET", f"/api/sessions/{chat.id}/events") as answer:
                assert answer.status_code == 200
                async for fields in read_events(answer):
                    if fields["id"] is None:  # a hint
                        continue
                    run_id = fields["run_id"]
                    if run_id not in readings:  # the first one may be under way already
                        said = fields.get("text", fields.get("arguments_text", "."))
                        assert not readings or fields["position"] == 1
                        readings[run_id] = chat.reads(run_id, fields["position"] - len(said))
                    readings[run_id].take(fields)
        except httpx2.TransportError:
            return

    async def opens(self) -> None:
        """Make sure of the session; safe to repeat, since its id is ours."""
        made = self.chat.made  # before it is sent: another task of this person may make it meanwhile
        answer = await self._client.post("/api/sessions", json={"id": self.chat.id})
        assert answer.status_code == (200 if made else answer.status_code), answer.text
        assert answer.status_code in (200, 201), answer.text
        self.chat.made = True

    async def listens(self) -> None:
        """Read an answer to its end."""
        sent = self._says(key=False)
        async with self._posted(sent) as answer:
            await self._read(sent, answer)

    async def leaves_and_comes_back(self) -> None:
        """Read some, leave, go on from there; several times."""
        sent = self._says(key=True)
        async with self._posted(sent) as answer:
            reading = await self._read(sent, answer, limit=self._rng.randint(1, 8))
        await self._resumes(reading)

    async def reads_twice(self) -> None:
        """Two readers of one answer, one of them from a place in its past."""
        sent = self._says(key=False)
        async with self._posted(sent) as answer:
            reading = await self._read(sent, answer, limit=self._rng.randint(1, 8))
            late = self._follows(self.chat.reads(reading.run_id, self._rng.randint(0, reading.position)))
            await asyncio.gather(reading.follow(answer) if not reading.is_over else asyncio.sleep(0), late)

    async def repeats(self) -> None:
        """Send once, and once more with the same key: one run."""
        sent = self._says(key=True)
        for headers in (ASYNC, ASYNC):
            answer = await self._client.post(sent.path, json=sent.body, headers=sent.headers(**headers))
            assert answer.status_code == 202, answer.text
            sent.made(answer.json()["run"]["id"])
        async with self._posted(sent) as stream:
            await self._read(sent, stream)

    async def waits_for_json(self) -> None:
        """Take the whole answer at once; then have it made again."""
        told = await self._whole(self._says(key=True))
        body = {"message_id": told["user_message"]["id"]}
        await self._whole(self.chat.sends(body, key=self._key(), path="runs"))

    async def cancels(self) -> None:
        """Stop an answer while it is being made."""
        sent = self._says(self._rng.choice(("some", ENDLESS)), key=False)
        async with self._posted(sent) as stream:
            reading = await self._read(sent, stream, limit=self._rng.randint(1, 12))
            answer = await self._client.post(f"/api/runs/{reading.run_id}/cancel")
            assert answer.status_code in (200, 202), answer.text
            assert answer.status_code == 200 or answer.json()["status"] == "cancelled"
            self.chat.ended[reading.run_id] = answer.json()
            if not reading.is_over:
                await reading.follow(stream)

    async def interrupts(self) -> None:
        """Say something else while an answer is being made."""
        first = self._says(ENDLESS, key=False)
        answer = await self._client.post(first.path, json=first.body, headers=first.headers(**ASYNC))
        assert answer.status_code == 202, answer.text
        first.made(answer.json()["run"]["id"])
        sent = self._says(key=True, on_busy="interrupt")
        async with self._posted(sent) as stream:
            await self._read(sent, stream)

    async def starts_anew(self) -> None:
        """Delete the session, perhaps with an answer under way, and open another."""
        if self._rng.random() < 0.6:
            return
        chat = self.chat
        sent = self._says(ENDLESS, key=False)
        async with self._posted(sent) as stream:
            await self._read(sent, stream, limit=3)
        chat.deleting = True
        answer = await self._client.delete(f"/api/sessions/{chat.id}")
        assert answer.status_code == 204, answer.text
        chat.deleted = True
        self.chats.append(Chat(str(uuid.UUID(int=self._rng.getrandbits(128), version=4))))
        await self.opens()

    def _says(self, kind: str = "some", *, key: bool, **more: Any) -> Sent:
        self._count += 1
        content = f"{kind} {self._name} {self._count}"
        return self.chat.sends({"content": content, **more}, self._key() if key else None)

    def _key(self) -> str:
        self._count += 1
        return f"{self._name}:{self._count}"

    def _posted(self, sent: Sent) -> Any:
        return self._client.stream("POST", sent.path, json=sent.body, headers=sent.headers())

    async def _read(self, sent: Sent, answer: httpx2.Response, limit: int | None = None) -> Reading:
        assert answer.status_code == 200, (answer.status_code, await answer.aread())
        sent.made(answer.headers["location"].rpartition("/")[2])
        assert sent.run_id is not None
        reading = self.chat.reads(sent.run_id)
        await reading.follow(answer, limit)
        return reading

    async def _resumes(self, reading: Reading) -> None:
        while not reading.is_over:
            reading = self.chat.reads(reading.run_id, reading.position)
            await self._follows(reading, limit=self._rng.choice((2, 5, 20, None)))

    async def _follows(self, reading: Reading, limit: int | None = None) -> None:
        path, position = f"/api/runs/{reading.run_id}/events", str(reading.begin)
        by_header = {"headers": {"last-event-id": position}}
        how: dict[str, Any] = self._rng.choice((by_header, {"params": {"after": position}}))
        async with self._client.stream("GET", path, **how) as answer:
            if answer.status_code != 204:  # it ended where this reader already is
                await reading.follow(answer, limit)

    async def _whole(self, sent: Sent) -> Json:
        answer = await self._client.post(sent.path, json=sent.body, headers=sent.headers(**JSON))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        sent.made(told["run"]["id"])
        self.chat.ended[told["run"]["id"]] = told["run"]
        return told
