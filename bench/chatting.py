"""The clients of `failover.py`: each keeps an answer streaming, comes back when it is cut, records all it is sent."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from tests.faults.client_records import Reading, SentRequest, SessionRecord
from tests.faults.process import Service
from tests.provider import ProviderRequest, streams, text_chunks
from tests.service import read_events

PAUSE_SECONDS = 0.2
"""How long a client waits before it tries again."""
TURNS = 8
"""Messages in a session, before its client begins another."""
BUFFERED_SECONDS = 0.5
"""For so long after a kill, what was committed before it may still arrive."""
WORDS = ("To ", "get ", "to the ", "other ", "side", ", naïve", " 鸡过马路", " 🐔", "\n\n", ' "quoted" \\ ')
RETRYABLE = (409, 503)
"""Statuses that a client may be given while there is no leader, or while its last answer is being ended."""


async def speak(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
    """Answer as a provider: some seconds of text, twenty pieces a second."""
    pieces: list[bytes | float] = []
    for _ in range(random.randint(20, 300)):
        pieces += [text_chunks("".join(random.choices(WORDS, k=3)))[0], 0.05]
    await streams(*pieces, *text_chunks())(request, writer)


@dataclass
class Findings:
    """Findings of all clients. `went_on`: seconds from a kill to the next event of each answer under way."""

    statuses: Counter[str] = field(default_factory=Counter[str])
    endings: Counter[str] = field(default_factory=Counter[str])
    went_on: list[float] = field(default_factory=list[float])
    wrong: list[str] = field(default_factory=list[str])


class Client:
    """A client of all processes, which uses any of them for each request."""

    def __init__(self, services: Sequence[Service], findings: Findings) -> None:
        self.sessions: list[SessionRecord] = []
        self.stopping = False
        self._services = services
        self._findings = findings
        self._reading: Reading | None = None
        self._killed_at: float | None = None

    async def chat(self) -> None:
        """Hold one conversation after another, until `stopping`."""
        while not self.stopping:
            await self._open_session()
            for _ in range(TURNS):
                if not self.stopping:
                    await self.ask(f"message {uuid.uuid4()}")

    def on_kill(self, now: float) -> None:
        """Take note that the leader has been killed, at this monotonic time, if an answer is under way."""
        self._killed_at = now if self._reading is not None else None

    async def ask(self, text: str) -> None:
        """Send a message with a key to the current session. Read its answer to the end, however often it is cut."""
        sent = self.sessions[-1].add_request({"content": text}, str(uuid.uuid4()))
        try:
            while self._reading is None or not self._reading.is_over:
                try:
                    await (self._send(sent) if self._reading is None else self._resume(self._reading))
                except httpx2.TransportError as error:
                    self._findings.statuses[type(error).__name__] += 1
                await asyncio.sleep(PAUSE_SECONDS)
            await self._repeat(sent)
        except AssertionError as error:
            self._findings.wrong.append(f"{sent.run_id}: {error}"[:400])
        self._reading = self._killed_at = None

    async def _open_session(self) -> None:
        self.sessions.append(SessionRecord(str(uuid.uuid4())))
        while not self.sessions[-1].is_created:
            try:
                answer = await self._pick().post("/api/sessions", json={"id": self.sessions[-1].id})
                self.sessions[-1].is_created = self._is_accepted("POST /api/sessions", answer, (200, 201))
            except httpx2.TransportError as error:
                self._findings.statuses[type(error).__name__] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _send(self, sent: SentRequest) -> None:
        async with self._pick().stream("POST", sent.path, json=sent.body, headers=sent.headers()) as answer:
            if self._is_accepted("POST …/messages", answer, (200,)):
                sent.set_run(answer.headers["location"].rpartition("/")[2])
                assert sent.run_id is not None
                self._reading = self.sessions[-1].add_reading(sent.run_id)
                await self._read(self._reading, answer)

    async def _resume(self, reading: Reading) -> None:
        path, headers = f"/api/runs/{reading.run_id}/events", {"last-event-id": str(reading.position)}
        async with self._pick().stream("GET", path, headers=headers) as answer:
            if self._is_accepted("GET …/events", answer, (200,)):
                await self._read(reading, answer)

    async def _read(self, reading: Reading, answer: httpx2.Response) -> None:
        leave_at = reading.position + random.randint(1, 3_000)
        async for fields in read_events(answer):
            reading.take(fields)
            since = None if self._killed_at is None else time.monotonic() - self._killed_at
            if since is not None and since > BUFFERED_SECONDS:
                self._findings.went_on.append(since)
                self._killed_at = None
            if reading.is_over:
                run = fields["run"]
                code = (run.get("error") or {}).get("code", "")
                self._findings.endings[f"{run['status']} {code}".strip()] += 1
            elif reading.position > leave_at:  # and go on reading at any process
                return

    async def _repeat(self, sent: SentRequest) -> None:
        """Send the message again with its key, one time in two: it must find the same run."""
        if random.random() < 0.5:
            headers = sent.headers(prefer="respond-async")
            try:
                answer = await self._pick().post(sent.path, json=sent.body, headers=headers)
            except httpx2.TransportError:
                return
            if self._is_accepted("POST …/messages again", answer, (202,)):
                sent.set_run(answer.json()["run"]["id"])

    def _is_accepted(self, what: str, answer: httpx2.Response, good: Sequence[int]) -> bool:
        self._findings.statuses[f"{what}: {answer.status_code}"] += 1
        assert answer.status_code in (*good, *RETRYABLE), f"{what} was answered with {answer.status_code}"
        return answer.status_code in good

    def _pick(self) -> Any:
        return random.choice(self._services).client


async def seconds_until_accepted(service: Service) -> float:
    """Send one message to a new session until the process accepts it; return the seconds."""
    began, session, key = time.monotonic(), str(uuid.uuid4()), str(uuid.uuid4())
    headers = {"idempotency-key": key, "prefer": "respond-async"}
    while True:
        try:
            made = await service.client.post("/api/sessions", json={"id": session})
            if made.status_code in (200, 201):
                path = f"/api/sessions/{session}/messages"
                answer = await service.client.post(path, json={"content": "are you there?"}, headers=headers)
                if answer.status_code == 202:
                    return time.monotonic() - began
        except httpx2.TransportError:
            pass
        await asyncio.sleep(0.05)
