"""Programs that people have, unchanged, at `/v1/chat/completions`: simonw's `llm`, and ShellGPT."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from chatkeep.errors import ModelUnavailable
from tests.dialects.programs import llm, shell_gpt
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """A service on one engine: the programs are slow to start."""
    async with serving(settings(tmp_path), script) as service:
        yield service


def said(script: Script) -> list[str]:
    """Return the last prompt's messages, without the system's."""
    return [each["content"] for each in script.prompts[-1].messages if each["role"] != "system"]


async def test_llm_talks_and_goes_on(service: Service, script: Script, tmp_path: Path) -> None:
    program = llm(service.url, tmp_path)
    script.play([say("To get"), say(" there."), stop()], [say("Really."), stop()])
    assert (await program.run("-m", "chatkeep", "-s", "Be brief.", "why?")).strip() == "To get there."
    assert script.prompts[-1].messages[0] == {"role": "system", "content": "Be brief."}
    assert (await program.run("-m", "chatkeep", "-c", "--no-stream", "really?")).strip() == "Really."
    assert said(script) == ["why?", "To get there.", "really?"]


async def test_llm_wants_a_form(service: Service, script: Script, tmp_path: Path) -> None:
    script.play([call("output", '{"name": "Bo"}'), stop("tool_calls")])
    printed = await llm(service.url, tmp_path).run("-m", "chatkeep", "--schema", json.dumps(SCHEMA), "a dog")
    assert json.loads(printed) == {"name": "Bo"}


async def test_llm_runs_a_function(service: Service, script: Script, tmp_path: Path) -> None:
    functions = "def double(n: int) -> int:\n    'Doubles a number.'\n    return 2 * n\n"
    script.play([call("double", '{"n": 21}', 0, "c"), stop("tool_calls")], [say("It is 42."), stop()])
    printed = await llm(service.url, tmp_path).run("-m", "chatkeep", "--functions", functions, "twice 21?")
    assert printed.strip() == "It is 42."
    assert "42" in script.prompts[-1].messages[-1]["content"]


async def test_llm_tells_of_an_error(service: Service, script: Script, tmp_path: Path) -> None:
    script.play([ModelUnavailable("no connection")])
    assert "no connection" in await llm(service.url, tmp_path).run("-m", "chatkeep", "why?", fails=True)


async def test_shell_gpt_talks_and_goes_on(service: Service, script: Script, tmp_path: Path) -> None:
    program = shell_gpt(service.url, tmp_path)
    script.play([say("To get"), say(" there."), stop()], [say("Really."), stop()])
    assert (await program.run("--chat", "c", "why?")).strip() == "To get there."
    assert (await program.run("--chat", "c", "really?")).strip() == "Really."
    assert said(script) == ["why?", "To get there.", "really?"]
    assert (await service.client.get("/api/sessions")).json()["data"] == []
