"""Functions and a killed process: an action that ran is not run again, and a client function still waits."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.api.streams import PATIENCE, text_of, until
from tests.faults.process import Home, Service, running

pytestmark = pytest.mark.anyio

BELL = '''
import pathlib, time
from chatkeep.tools import tool

@tool(safety="idempotent")
def ring_bell() -> str:
    """Ring the bell."""
    with pathlib.Path("rung").open("a") as file:
        file.write("rung\\n")
    time.sleep(600)
    return "rung"
'''
ASSISTANT = "---\nname: default\ndescription: Rings.\nfunctions: [ring_bell]\n---\nYou ring.\n"


@pytest.fixture
def home(tmp_path: Path, database: str) -> Home:
    """A service with the practice model, and a function that records its call and then never returns."""
    (tmp_path / "bell.py").write_text(BELL)
    (tmp_path / "default.md").write_text(ASSISTANT)
    return Home(tmp_path, database, {"CHATKEEP_TOOLS": "bell", "CHATKEEP_ASSISTANTS_DIR": "."})


def rung(home: Home) -> str:
    """Return one line for each call of the function."""
    file = home.directory / "rung"
    return file.read_text() if file.exists() else ""


async def start(service: Service, content: str, **more: Any) -> dict[str, Any]:
    """Start a run in a session of its own."""
    session_id = (await service.client.post("/api/sessions")).json()["id"]
    path, headers = f"/api/sessions/{session_id}/messages", {"prefer": "respond-async"}
    return (await service.client.post(path, json={"content": content, **more}, headers=headers)).json()


async def reaches(service: Service, run_id: str, kind: str) -> None:
    """Follow the run until an event of this type."""
    async with asyncio.timeout(PATIENCE), service.client.stream("GET", f"/api/runs/{run_id}/events") as answer:
        async for text in answer.aiter_text():
            if f'"type":"{kind}"' in text:
                return


async def test_an_action_cut_off_by_a_crash_is_unknown_and_not_rerun(home: Home) -> None:
    async with running(home) as service:
        made = await start(service, "ring bell")
        await reaches(service, made["run"]["id"], "tool_call.running")
        await until(lambda: rung(home) == "rung\n")  # committed first, then begun
        service.process.kill()
        await service.ended()
    async with running(home) as service:
        message = (await service.client.get(f"/api/messages/{made['message']['id']}")).json()
        assert (message["status"], message["parts"][0]["state"]) == ("interrupted", "unknown")
        path = f"/api/sessions/{made['run']['session_id']}/messages"
        answer = await service.client.post(path, json={"content": "Hi"}, headers={"accept": "application/json"})
        assert answer.json()["run"]["status"] == "completed"
        service.process.terminate()
        assert await service.ended() == 0
    assert rung(home) == "rung\n"
    assert "Traceback" not in home.complaints


async def test_a_function_that_hangs_does_not_delay_the_exit(home: Home) -> None:
    home = home._replace(settings={**home.settings, "CHATKEEP_SHUTDOWN_GRACE": "0.2"})
    async with running(home) as service:
        made = await start(service, "ring bell")
        await reaches(service, made["run"]["id"], "tool_call.running")
        service.process.terminate()
        assert await service.ended() == 0
    async with running(home) as service:
        message = (await service.client.get(f"/api/messages/{made['message']['id']}")).json()
        assert (message["status"], message["parts"][0]["state"]) == ("interrupted", "unknown")


async def test_a_waiting_run_survives_a_killed_process(home: Home) -> None:
    async with running(home) as service:
        made = await start(service, "ask user", tools=[{"name": "ask_user"}])
        await reaches(service, made["run"]["id"], "run.waiting")
        service.process.kill()
        await service.ended()
    async with running(home) as service:
        run = (await service.client.get(f"/api/runs/{made['run']['id']}")).json()
        assert run["status"] == "requires_action"
        message = (await service.client.get(f"/api/messages/{run['message_id']}")).json()
        body = {"outputs": [{"call_id": message["parts"][0]["call_id"], "output": {"choice": "red"}}]}
        path, headers = f"/api/runs/{run['id']}/tool-outputs", {"accept": "application/json"}
        answer = (await service.client.post(path, json=body, headers=headers)).json()
        assert answer["run"]["status"] == "completed"
        assert "red" in text_of(answer["message"])
