"""Parameters and instructions of a session: in every prompt of it, and changed like its other fields."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from chatkeep.agent.turn_spec import INSTRUCTIONS_NOTICE
from tests.api.shapes import invalid, problem
from tests.deletions import until_gone
from tests.script import Script
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

OPEN = """---
name: default
description: For tests.
instructions: true
params: {top_p: 0.5, seed: 1}
temperature: 0.1
functions: [weather]
---
You are a test.
"""
STRICT = """---
name: strict
description: Takes no instructions.
---
You are strict.
"""


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service with an assistant that takes instructions, and one that does not."""
    (tmp_path / "default.md").write_text(OPEN)
    (tmp_path / "strict.md").write_text(STRICT)
    async with serving(settings(tmp_path, tools=("tests.functions",), assistants_dir=tmp_path), script) as running:
        yield running


def system_prompt(script: Script) -> str:
    return script.prompts[-1].messages[0]["content"]


async def test_instructions_stand_in_every_prompt_of_the_session(service: Service, script: Script) -> None:
    session = await service.session(instructions="Answer in Norwegian.")
    for _ in range(2):
        done = await service.send(session, "Hi")
        prompt = system_prompt(script)
        assert prompt.startswith(f"You are a test.\n\n{INSTRUCTIONS_NOTICE}\nAnswer in Norwegian.\n\n")
        seen = (await service.client.get(f"/api/runs/{done['run']['id']}/prompt")).json()
        assert seen["prompt"] == prompt
    await service.send(await service.session(), "Hi")
    assert "Norwegian" not in system_prompt(script)


async def test_instructions_are_deleted_with_the_session(service: Service, script: Script) -> None:
    session = await service.session(instructions="Answer in Norwegian.")
    done = await service.send(session, "Hi")
    await service.client.delete(f"/api/sessions/{session}")
    await until_gone(service.runtime.db)
    assert (await service.client.get(f"/api/runs/{done['run']['id']}/prompt")).status_code == 404
    rows = await service.runtime.db.snapshot(lambda tx: tx.all("SELECT prompt FROM session_prompts"))
    assert rows == []


async def test_params_win_in_their_order(service: Service, script: Script) -> None:
    session = await service.session(params={"seed": 2, "top_p": None, "stop": "x"})
    await service.send(session, "Hi", params={"stop": "y"})
    assert script.prompts[-1].params == {"temperature": 0.1, "top_p": None, "seed": 2, "stop": "y"}
    await service.send(await service.session(), "Hi")
    assert script.prompts[-1].params == {"temperature": 0.1, "top_p": 0.5, "seed": 1}


async def test_they_are_changed_and_removed(service: Service, script: Script) -> None:
    session = await service.session(instructions="One.", params={"seed": 2})
    url = f"/api/sessions/{session}"
    changed = (await service.client.patch(url, json={"instructions": "Two.", "params": {"top_p": 0.9}})).json()
    assert (changed["instructions"], changed["params"]) == ("Two.", {"top_p": 0.9})
    assert (await service.client.get(url)).json() == changed
    removed = (await service.client.patch(url, json={"instructions": None, "params": None})).json()
    assert (removed["instructions"], removed["params"]) == (None, {})
    await service.send(session, "Hi")
    assert "Two." not in system_prompt(script)


async def test_an_assistant_that_takes_none_refuses_them(service: Service) -> None:
    words = "instructions: the assistant 'strict' takes none"
    refused = await service.client.post("/api/sessions", json={"assistant": "strict", "instructions": "Be kind."})
    assert problem(refused, 422, "invalid_request")["detail"] == words
    url = f"/api/sessions/{await service.session(instructions='Be kind.')}"
    refused = await service.client.patch(url, json={"assistant": "strict"})
    assert problem(refused, 422, "invalid_request")["detail"] == words
    assert (await service.client.get(url)).json()["assistant"] == "default", "nothing has changed"
    changed = await service.client.patch(url, json={"assistant": "strict", "instructions": None})
    assert (changed.status_code, changed.json()["assistant"]) == (200, "strict")
    listed = (await service.client.get("/api/assistants")).json()["data"]
    assert {each["name"]: each["instructions"] for each in listed}["strict"] is False


@pytest.mark.parametrize(
    "fields", [{"instructions": " "}, {"instructions": "x" * 8001}, {"params": {"top_k": 1}}, {"params": []}]
)
async def test_wrong_options_are_refused(service: Service, fields: dict[str, Any]) -> None:
    invalid(await service.client.post("/api/sessions", json=fields))
