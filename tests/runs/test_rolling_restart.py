"""Two processes on one PostgreSQL are restarted one after the other, under load: each turn is whole, and there once."""

import asyncio
import itertools
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.streams import PATIENCE, text_of
from tests.api.test_process import READY, started
from tests.databases import only_postgres
from tests.postgres import free_port

pytestmark = pytest.mark.anyio

CLIENTS, TURNS = 7, 7
"""So many turns at least: the clients go on until both processes were restarted."""
REPEATED = {202, 503}
"""The statuses of a process that drains: the answer is under way, or is not begun there."""


class Process:
    """A service on a port that stays."""

    def __init__(self, directory: Path, database: str) -> None:
        self._directory, self._database, self._port = directory, database, free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        process = await started(self._directory, self._port, CHATKEEP_DATABASE_URL=self._database)
        assert process.stdout is not None
        async with asyncio.timeout(3 * PATIENCE):
            assert (await process.stdout.readline()).decode().startswith(READY)
        self._process = process

    async def stop(self) -> int | None:
        """Stop the service as a supervisor does, and return its exit status."""
        if self._process is None:
            return None
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(3 * PATIENCE):
            await process.communicate()
        return process.returncode


class Chat:
    """A client with a session of its own. It repeats what was not answered, with the same key, at the next process."""

    def __init__(self, client: httpx2.AsyncClient, urls: list[str], number: int) -> None:
        self._client, self._urls = client, itertools.cycle(urls[number % 2 :] + urls[: number % 2])
        self._number = number
        self.path = ""
        self.answers: list[dict[str, Any]] = []
        self.repeats = 0

    async def talk(self, is_over: asyncio.Event) -> None:
        session = await self._post("/api/sessions", {}, {"idempotency-key": f"session-{self._number}"})
        self.path = f"/api/sessions/{session['id']}/messages"
        while len(self.answers) < TURNS or not is_over.is_set():
            key = f"{self._number}-{len(self.answers)}"
            self.answers.append(await self._post(self.path, {"content": "count to 15"}, {"idempotency-key": key}))

    async def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        headers = {"accept": "application/json", **headers}
        async with asyncio.timeout(3 * PATIENCE):
            while True:
                try:
                    answer = await self._client.post(f"{next(self._urls)}{path}", json=body, headers=headers)
                except httpx2.TransportError:
                    answer = None
                if answer is not None and answer.status_code not in REPEATED:
                    assert answer.status_code in (200, 201), answer.text
                    return answer.json()
                self.repeats += 1
                await asyncio.sleep(0.05)


@only_postgres
@pytest.mark.timeout(300)
async def test_no_turn_is_lost_when_processes_are_restarted(database: str, tmp_path: Path) -> None:
    processes = [Process(tmp_path, database) for _ in range(2)]
    await asyncio.gather(*(process.start() for process in processes))
    try:
        async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False) as client, asyncio.TaskGroup() as group:
            chats = [Chat(client, [process.url for process in processes], number) for number in range(CLIENTS)]
            is_over = asyncio.Event()
            for chat in chats:
                group.create_task(chat.talk(is_over))
            for process in processes:
                before = sum(len(chat.answers) for chat in chats)
                while sum(len(chat.answers) for chat in chats) < before + CLIENTS:
                    await asyncio.sleep(0.05)
                assert await process.stop() == 0
                await process.start()
            is_over.set()
        async with httpx2.AsyncClient(base_url=processes[0].url, trust_env=False) as client:
            histories = [(await client.get(chat.path)).json()["data"] for chat in chats]
    finally:
        await asyncio.gather(*(process.stop() for process in processes))
    answers = [answer for chat in chats for answer in chat.answers]
    assert len(answers) >= CLIENTS * TURNS
    assert {answer["run"]["status"] for answer in answers} == {"completed"}
    assert {text_of(answer["message"]) for answer in answers} == {"".join(f"{n} " for n in range(1, 16))}
    for chat, history in zip(chats, histories, strict=True):
        assert history == [answer[name] for answer in chat.answers for name in ("user_message", "message")]
    print(f"{len(answers)} turns, all completed; {sum(chat.repeats for chat in chats)} requests were repeated")
