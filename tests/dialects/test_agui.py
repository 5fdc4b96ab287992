"""AG-UI's own client against the service (docs/dialects.md). It rejects a run whose events break the protocol."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from chatkeep.errors import ModelUnavailable
from tests.api.shapes import invalid, problem
from tests.api.streams import until
from tests.api.tables import nothing_stored
from tests.api.test_functions import PICK, functional
from tests.dialects.agui import agui_agent, snapshot
from tests.script import Script, call, say, stop, think
from tests.service import Service, serving

pytestmark = pytest.mark.anyio

HELLO = {"id": "u1", "role": "user", "content": "hello"}


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """A service whose assistant has functions of every kind."""
    async with serving(functional(tmp_path), script) as service:
        yield service


def said(messages: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(each["role"], each.get("content")) for each in messages]


def plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return messages without what the client adds to them, and without its own ids of outputs."""
    kept = ("role", "content", "toolCalls", "toolCallId")
    return [{name: each[name] for name in kept if each.get(name)} for each in messages]


async def test_a_thread_with_reasoning(service: Service, script: Script) -> None:
    script.play([think("Hm. "), think("Oh."), say("To get"), say(" there."), stop()], [say("Yes."), stop()])
    async with agui_agent(service, "thread/1") as agent:
        state = await agent.say("why?")
        assert state.get("error") is None
        assert said(state["messages"]) == [("user", "why?"), ("reasoning", "Hm. Oh."), ("assistant", "To get there.")]
        state = await agent.say("really?")
    assert said(state["messages"])[-1] == ("assistant", "Yes.")
    assert [each["content"] for each in script.prompts[-1].messages[1:]] == ["why?", "To get there.", "really?"]
    assert await snapshot(service, "thread%2F1") == [
        {name: value for name, value in each.items() if value is not None} for each in state["messages"]
    ]


async def test_functions_of_every_kind(service: Service, script: Script) -> None:
    script.play(
        [
            say("Look: "),
            call("weather", '{"city":"Oslo"}', 0, "w"),
            call("pick", '{"n":1}', 1, "p"),
            stop("tool_calls"),
        ],
        [say("Red it is."), call("card", '{"title":"Red"}', 0, "c"), stop("tool_calls")],
    )
    async with agui_agent(service, "t") as agent:
        state = await agent.say("colour?", tools=[PICK])
        assert state.get("error") is None
        assert state["events"][-1]["type"] == "RUN_FINISHED"
        state = await agent.add({"id": "o", "role": "tool", "toolCallId": "p", "content": "red"}, tools=[PICK])
    assert state.get("error") is None
    assert said(state["messages"])[-1] == ("tool", '{"title":"Red"}')
    asked = [each["content"] for each in script.prompts[-1].messages if each["role"] == "tool"]
    assert "red" in asked[1]
    order = [each for each in plain(state["messages"]) if each.get("toolCallId") != "w"]
    stored = [each for each in plain(await snapshot(service, "t")) if each.get("toolCallId") != "w"]
    assert stored == order


async def test_a_call_is_answered_by_resume(service: Service, script: Script) -> None:
    script.play([call("pick", '{"n":1}', 0, "p"), stop("tool_calls")], [say("Red."), stop()])
    async with agui_agent(service, "t") as agent:
        await agent.say("colour?", tools=[PICK])
        state = await agent.run(resume=[{"interruptId": "p", "status": "resolved", "payload": {"colour": "red"}}])
    assert (state.get("error"), said(state["messages"])[-1]) == (None, ("assistant", "Red."))


async def test_an_answer_that_fails(service: Service, script: Script) -> None:
    script.play([say("I tried"), ModelUnavailable("no connection")], [say("Now."), stop()])
    async with agui_agent(service, "t") as agent:
        state = await agent.say("hello?")
        assert state["events"][-1]["type"] == "RUN_ERROR"
        assert state["events"][-1]["code"] == "model_unavailable"
        state = await agent.say("again")
    assert said(state["messages"])[-1] == ("assistant", "Now.")


async def test_a_stopped_answer_is_cancelled(service: Service, script: Script) -> None:
    script.play([say("One, two"), asyncio.Event()])
    async with agui_agent(service, "t") as agent:
        running = asyncio.create_task(agent.say("count"))
        await until(lambda: script.prompts)
        assert (await service.client.post("/api/chat/t/stop")).status_code == 202  # by another door
        state = await running
    assert state["events"][-1]["outcome"] == {"type": "cancelled"}


async def test_texts_of_two_models_are_one(service: Service, script: Script) -> None:
    script.play([say("To get to the oth"), stop("length")], [think("It was cut."), say("er side."), stop()])
    async with agui_agent(service, session := await service.session()) as agent:
        await agent.say("why?")
    listed = (await service.client.get(f"/api/sessions/{session}/messages")).json()["data"]
    again = {"continue": listed[-1]["id"]}
    await service.client.post(f"/api/sessions/{session}/runs", json=again, headers={"accept": "application/json"})
    texts = [each["content"] for each in await snapshot(service, session) if each["role"] == "assistant"]
    assert texts == ["To get to the other side."]


async def test_a_repeat_attaches(service: Service, script: Script) -> None:
    script.play([say("Hi."), stop()])
    body: dict[str, Any] = {"threadId": "t", "runId": "r", "messages": [HELLO], "tools": [], "state": {}, "context": []}
    first = await service.client.post("/agui", json=body)
    second = await service.client.post("/agui", json=body)
    assert first.status_code == 200
    assert first.text == second.text
    assert len(script.prompts) == 1


async def test_another_assistant(service: Service, script: Script) -> None:
    script.play([say("Hi."), stop()])
    async with agui_agent(service, "t", "/agui/scribe") as agent:
        await agent.say("hello")
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    assert session["assistant"] == "scribe"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"threadId": "t"},
        {"threadId": "", "runId": "r", "messages": [HELLO]},
        {"threadId": "t", "runId": "r", "messages": []},
        {"threadId": "t", "runId": "r", "messages": [HELLO], "tools": {}},
        {"threadId": "t", "runId": "r", "messages": [{**HELLO, "content": [{"type": "image"}]}]},
        {"threadId": "t", "runId": "r", "messages": [{**HELLO, "role": "assistant"}]},
        {"threadId": "t", "runId": "r", "messages": [{**HELLO, "role": "assistant"}, HELLO]},
    ],
)
async def test_a_bad_request_changes_nothing(service: Service, body: dict[str, Any]) -> None:
    async with nothing_stored(service):
        problem(await service.client.post("/agui", json=body), 422, "invalid_request")


async def test_fields_of_ours_are_checked_as_ours(service: Service) -> None:
    body = {"threadId": "t", "runId": "r", "messages": [HELLO], "tools": [PICK, PICK]}
    async with nothing_stored(service):
        invalid(await service.client.post("/agui", json=body))
        unknown = {"threadId": "t", "runId": "r", "messages": [HELLO]}
        problem(await service.client.post("/agui/nobody", json=unknown), 422, "invalid_request")
        output = {"threadId": "t", "runId": "r", "messages": [{"role": "tool", "toolCallId": "x", "content": "1"}]}
        problem(await service.client.post("/agui", json=output), 409, "call_not_waiting")
