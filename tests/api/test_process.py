"""The real command in a process of its own: started, stopped, killed, started again."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.api.streams import PATIENCE, Event, split_units, text_of
from tests.service import read_events

pytestmark = pytest.mark.anyio

READY = "chatkeep is ready: "


class Running(NamedTuple):
    """A service that has printed its ready line, and a client of it."""

    process: asyncio.subprocess.Process
    client: httpx2.AsyncClient

    async def stopped(self, number: signal.Signals) -> tuple[int, str]:
        """Return the exit status after this signal, and the text of stderr."""
        self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            _, stderr = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, stderr.decode()


async def started(directory: Path, port: int, *options: str, **more: str) -> asyncio.subprocess.Process:
    """Start `chatkeep serve` in `directory`, by default with its database there. The practice model answers."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CHATKEEP_"))}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatkeep", "serve", "--port", str(port), *options),
        cwd=directory,
        env={**inherited, "CHATKEEP_DATABASE_URL": f"sqlite:///{directory}/process.db", **more},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running(directory: Path, database: str, **more: str) -> AsyncGenerator[Running]:
    """Run the service on a free port until the block ends; then kill it if it still runs."""
    process = await started(directory, 0, CHATKEEP_DATABASE_URL=database, **more)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = (await process.stdout.readline()).decode()
        assert line.startswith(READY + "http://127.0.0.1:"), line
        url = line.removeprefix(READY).strip()
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False) as client:
            yield Running(process, client)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def begin(service: Running, content: str, events: list[Event], after: int) -> tuple[str, asyncio.Task[None]]:
    """Send a message in a new session. Return the run's id, and a task that collects events until the stream ends."""
    session_id = (await service.client.post("/api/sessions")).json()["id"]
    enough = asyncio.Event()

    async def read() -> None:
        path = f"/api/sessions/{session_id}/messages"
        async with service.client.stream("POST", path, json={"content": content}) as answer:
            assert answer.status_code == 200
            async for event in read_events(answer):
                events.append(event)
                if event["position"] > after:
                    enough.set()

    task = asyncio.create_task(read())
    async with asyncio.timeout(PATIENCE):
        await enough.wait()
    return session_id, task


async def finds(service: Running, run_id: str, seen: list[Event]) -> dict[str, Any]:
    """Return the run, after checking that it was interrupted and has all seen events at the same positions."""
    answer = await service.client.get(f"/api/runs/{run_id}/events")
    assert answer.status_code == 200
    async with service.client.stream("GET", f"/api/runs/{run_id}/events") as stream:
        events = [event async for event in read_events(stream)]
    assert split_units(events)[: len(split_units(seen))] == split_units(seen)
    assert (events[-1]["type"], events[-1]["run"]["status"]) == ("run.finished", "interrupted")
    streamed_text = "".join(event["text"] for event in events if event["type"] == "text.delta")
    assert text_of(events[-1]["message"]) == streamed_text
    last = seen[-1]["position"]
    async with service.client.stream("GET", f"/api/runs/{run_id}/events?after={last}") as stream:
        rest = [event async for event in read_events(stream)]
    assert split_units(rest) == split_units(events)[last:]
    return (await service.client.get(f"/api/runs/{run_id}")).json()


async def goes_on(service: Running, session_id: str) -> None:
    """Check that the session accepts the next message."""
    path = f"/api/sessions/{session_id}/messages"
    answer = await service.client.post(path, json={"content": "hello"}, headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["run"]["status"]) == (200, "completed"), answer.text


async def test_a_stopped_process_ends_its_streams_and_exits_cleanly(tmp_path: Path, database: str) -> None:
    seen: list[Event] = []
    async with running(tmp_path, database, CHATKEEP_SHUTDOWN_GRACE="0") as service:
        session_id, reading = await begin(service, "count to 900", seen, after=20)
        assert seen[0]["run"]["model"] == "practice"
        status, stderr = await service.stopped(signal.SIGTERM)
        await reading  # the stream ended cleanly
    assert (status, "Traceback" in stderr) == (0, False), stderr
    assert seen[-1]["type"] == "text.delta"
    async with running(tmp_path, database) as service:
        run = await finds(service, seen[0]["run"]["id"], seen)
        assert run["position"] > seen[-1]["position"]
        await goes_on(service, session_id)
        assert (await service.stopped(signal.SIGTERM))[0] == 0


async def test_a_run_that_ends_within_the_grace_is_completed(tmp_path: Path, database: str) -> None:
    seen: list[Event] = []
    async with running(tmp_path, database) as service:
        session_id, reading = await begin(service, "count to 30", seen, after=5)
        status, stderr = await service.stopped(signal.SIGTERM)
        await reading
    assert (status, "Traceback" in stderr) == (0, False), stderr
    async with running(tmp_path, database) as service:
        run = (await service.client.get(f"/api/runs/{seen[0]['run']['id']}")).json()
        assert run["status"] == "completed"
        history = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()["data"]
        assert text_of(history[1]).split() == [str(number) for number in range(1, 31)]


async def test_a_kill_in_mid_stream_loses_nothing_that_was_seen(tmp_path: Path, database: str) -> None:
    seen: list[Event] = []
    async with running(tmp_path, database) as service:
        session_id, reading = await begin(service, "count to 900", seen, after=20)
        status, _ = await service.stopped(signal.SIGKILL)
        with pytest.raises(httpx2.TransportError):
            await reading
    assert status == -signal.SIGKILL
    async with running(tmp_path, database) as service:
        run = await finds(service, seen[0]["run"]["id"], seen)
        assert (run["status"], run["error"]) == ("interrupted", None)
        assert run["usage"]["estimated"] is True
        session = (await service.client.get(f"/api/sessions/{session_id}")).json()
        assert (session["status"], session["head_id"]) == ("idle", run["message_id"])
        await goes_on(service, session_id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"CHATKEEP_MAX_RUN": "1"},
        {"CHATKEEP_MAX_RUNS": "none"},
        {"CHATKEEP_DATABASE_URL": "sqlite:///no/such/directory.db"},
        {"CHATKEEP_DATABASE_URL": "mysql://nowhere"},
        {"CHATKEEP_ASSISTANT": "nobody"},
        {"CHATKEEP_ASSISTANTS_DIR": "nowhere"},
        {"CHATKEEP_TOOLS": "no_such_module"},
    ],
    ids=str,
)
async def test_a_failed_start_says_why_in_one_line(tmp_path: Path, wrong: dict[str, str]) -> None:
    await refuses_to_start(await started(tmp_path, 0, **wrong))


async def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await refuses_to_start(await started(tmp_path, listener.getsockname()[1]))


async def refuses_to_start(process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        stdout, stderr = await process.communicate()
    assert process.returncode
    assert stdout == b""
    assert stderr.startswith(b"chatkeep: ")
    assert stderr.count(b"\n") == 1, stderr


async def test_the_workers_of_a_killed_parent_end_with_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await started(tmp_path, port, "--workers", "2")

    async def is_there() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    async with asyncio.timeout(PATIENCE), httpx2.AsyncClient(trust_env=False) as client:
        while not await is_there():
            await asyncio.sleep(0.05)
        assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        process.kill()
        while await is_there():
            await asyncio.sleep(0.05)
        await process.communicate()
