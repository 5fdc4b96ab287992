"""SIGTERM with many readers: streams end cleanly, runs get their grace period, and the next start has the rest."""

import asyncio
import signal
from pathlib import Path

import pytest

from chatkeep.chat.events import RunFinished, TextDelta
from tests.faults.client_records import Reading, split_units
from tests.faults.process import PATIENCE, Home, Service, running
from tests.faults.upstream import GATED, HELD, QUICK, Upstream
from tests.service import read_events

pytestmark = pytest.mark.anyio

STREAMS = 200
GATED_STREAMS = 20


async def test_two_hundred_readers_resume_after_a_restart(tmp_path: Path, database: str) -> None:
    async with Upstream(0) as upstream:
        settings = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "x", "CHATKEEP_SHUTDOWN_GRACE": "3"}
        home = Home(tmp_path, database, settings)
        async with running(home) as service:
            kinds = [GATED] * GATED_STREAMS + [HELD] * (STREAMS - GATED_STREAMS)
            sessions = [await opened(service) for _ in kinds]
            readings: list[Reading] = []
            has_started = asyncio.Event()
            async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
                for session_id, kind in zip(sessions, kinds, strict=True):
                    group.create_task(read_stream(service, session_id, kind, readings, has_started))
                await has_started.wait()
                service.process.terminate()
            # The group is over: every reader came to the end of its body, and none to the end of its run.
            assert service.process.returncode is None
            assert len(readings) == STREAMS
            assert not any(reading.is_over for reading in readings)
            service.process.send_signal(signal.SIGTERM)
            answer = await service.client.get("/healthz")
            assert answer.status_code == 200
            upstream.gate.set()
            assert await service.ended() == 0
        assert "Traceback" not in home.complaints, home.complaints
        async with running(home) as service:
            check_answer = [await comes_back(service, reading) for reading in readings]
            assert sorted(check_answer) == ["completed"] * GATED_STREAMS + ["interrupted"] * (STREAMS - GATED_STREAMS)
            for session_id in sessions[:: STREAMS // 5]:
                path, headers = f"/api/sessions/{session_id}/messages", {"accept": "application/json"}
                answer = await service.client.post(path, json={"content": QUICK}, headers=headers)
                assert (answer.status_code, answer.json()["run"]["status"]) == (200, "completed"), answer.text
            service.process.terminate()
            assert await service.ended() == 0
        assert "Traceback" not in home.complaints, home.complaints


async def opened(service: Service) -> str:
    """Create a session, and return its id."""
    return (await service.client.post("/api/sessions")).json()["id"]


async def read_stream(
    service: Service, session_id: str, kind: str, readings: list[Reading], has_started: asyncio.Event
) -> None:
    """Read until the service ends the stream. An end that is not clean raises."""
    path = f"/api/sessions/{session_id}/messages"
    async with service.client.stream("POST", path, json={"content": kind}) as answer:
        assert answer.status_code == 200
        reading = Reading(answer.headers["location"].rpartition("/")[2], 0)
        async for fields in read_events(answer):
            reading.take(fields)
            if reading.position >= len("half ") and reading not in readings:
                readings.append(reading)
                if len(readings) == STREAMS:
                    has_started.set()


async def comes_back(service: Service, reading: Reading) -> str:
    """Resume where the reader's stream ended, up to the run's end. Return its last event."""
    rest = Reading(reading.run_id, reading.position)
    path = f"/api/runs/{reading.run_id}/events"
    async with service.client.stream("GET", path, headers={"last-event-id": str(reading.position)}) as answer:
        await rest.follow(answer)
    whole = Reading(reading.run_id, 0)
    async with service.client.stream("GET", path) as answer:
        await whole.follow(answer)
    assert split_units(whole.events) == split_units(reading.events + rest.events)
    last = whole.events[-1]
    assert isinstance(last, RunFinished)
    streamed_text = "".join(event.text for event in whole.events if isinstance(event, TextDelta))
    assert streamed_text == ("half and half" if last.run.status == "completed" else "half ")
    return last.run.status
