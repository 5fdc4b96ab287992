"""The AI SDK's own client, versions 5, 6 and 7, against the service (docs/dialects.md)."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chatkeep.errors import ModelUnavailable
from tests.api.streams import text_of
from tests.api.test_functions import PICK, functional
from tests.dialects.ai_sdk import VERSIONS, ai_chat, comparable, history
from tests.script import Script, call, say, stop, think
from tests.service import Service, serving

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("version", VERSIONS)]

CHAT = "chat/1 æ"
"""The id of a chat, as a client may choose it."""


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """A service whose assistant has functions of every kind."""
    async with serving(functional(tmp_path), script) as service:
        yield service


async def check_history(service: Service, messages: list[dict[str, Any]], chat_id: str = CHAT) -> None:
    """Check that the service has the same answers as the client."""
    stored = await history(service, quote(chat_id, safe=""))
    assert [each["role"] for each in stored] == [each["role"] for each in messages]
    for mine, theirs in zip(stored, messages, strict=True):
        assert mine["id"] == theirs["id"]
        if mine["role"] == "assistant":
            assert (mine["id"], mine["metadata"]) == (theirs["id"], theirs["metadata"])
            assert comparable(mine) == comparable(theirs)


async def test_a_chat_with_reasoning(service: Service, script: Script, version: str) -> None:
    script.play(
        [think("Hm. "), think("Oh."), say("To get"), say(" there."), stop(tokens=(10, 5))], [say("Yes."), stop()]
    )
    async with ai_chat(service, version, CHAT) as chat:
        state = await chat.send("why?")
        assert (state["status"], state.get("error")) == ("ready", None)
        question, answer = state["messages"]
        assert [(part["type"], part.get("text")) for part in answer["parts"]] == [
            ("step-start", None), ("reasoning", "Hm. Oh."), ("text", "To get there."),
        ]  # fmt: skip
        assert answer["metadata"]["status"] == "completed"
        assert answer["metadata"]["usage"]["output_tokens"] == 5
        state = await chat.send("really?")
        assert text_of(state["messages"][-1]) == "Yes."
    prompt = script.prompts[-1].messages[1:]
    assert [each["content"] for each in prompt] == ["why?", "To get there.", "really?"]
    await check_history(service, state["messages"])
    assert question["role"] == "user"


async def test_functions_of_every_kind(service: Service, script: Script, version: str) -> None:
    script.play(
        [call("weather", '{"city":"Oslo"}', 0, "w"), call("pick", '{"n":1}', 1, "p"), stop("tool_calls")],
        [say("Red it is."), call("card", '{"title":"Red"}', 0, "c"), stop("tool_calls")],
    )
    async with ai_chat(service, version, CHAT, body={"tools": [PICK]}, automatic=True) as chat:
        state = await chat.send("colour?")
        waiting = state["messages"][-1]
        assert [(part["type"], part.get("state")) for part in waiting["parts"]] == [
            ("step-start", None), ("tool-weather", "output-available"), ("tool-pick", "input-available"),
        ]  # fmt: skip
        assert (state["status"], state["toolCalls"], waiting["metadata"]["status"]) == (
            "ready",
            ["pick"],
            "requires_action",
        )
        method = "addToolOutput" if version != "5" else "addToolResult"
        await chat.call(method, {"tool": "pick", "toolCallId": "p", "output": {"colour": "red"}})
        await chat.until("Red it is.")
        state = await chat.settle()
    _, answer = state["messages"]
    assert [part["type"] for part in answer["parts"]] == [
        "step-start", "tool-weather", "tool-pick", "step-start", "text", "tool-card",
    ]  # fmt: skip
    assert answer["parts"][-1]["output"] == {"title": "Red"}
    await check_history(service, state["messages"])
    assert len(script.prompts) == 2  # nothing was sent again by itself


async def test_a_call_that_fails_and_an_answer_that_fails(service: Service, script: Script, version: str) -> None:
    broken = [call("weather", '{"town":"Oslo"', 0, "w"), stop("tool_calls")]
    script.play(broken, [say("I tried"), ModelUnavailable("no connection")], [say("Fine now."), stop()])
    async with ai_chat(service, version, CHAT) as chat:
        state = await chat.send("weather?")
        assert (state["status"], state["error"]) == ("error", "no connection")
        answer = state["messages"][-1]
        assert (answer["parts"][1]["state"], text_of(answer)) == ("output-error", "I tried")
        await check_history(service, state["messages"])
        state = await chat.call("regenerate")
        assert (state["status"], text_of(state["messages"][-1])) == ("ready", "Fine now.")
        await check_history(service, state["messages"])
    assert len(state["messages"]) == 2


async def test_another_client_stops_the_answer(service: Service, script: Script, version: str) -> None:
    script.play([say("One, two"), asyncio.Event()])
    async with ai_chat(service, version, CHAT) as chat:
        await chat.begin("sendMessage", {"text": "count"}, until="One, two")
        stopped = await service.client.post(f"/api/chat/{quote(CHAT, safe='')}/stop")
        assert (stopped.status_code, stopped.json()["status"]) == (202, "cancelled")
        state = await chat.settle()
    assert (state["status"], state.get("error")) == ("ready", None)
    assert text_of(state["messages"][-1]) == "One, two"
    await check_history(service, state["messages"])
    assert (await service.client.post(f"/api/chat/{quote(CHAT, safe='')}/stop")).status_code == 204


async def test_stop_and_go_on_writing(service: Service, script: Script, version: str) -> None:
    script.play([say("One, two"), asyncio.Event()], [say("As you like."), stop()])
    async with ai_chat(service, version, CHAT) as chat:
        await chat.begin("sendMessage", {"text": "count"}, until="One, two")
        await chat.call("stop")
        state = await chat.send("enough")
    assert (state["status"], text_of(state["messages"][-1])) == ("ready", "As you like.")
    stored = await history(service, quote(CHAT, safe=""))
    assert [text_of(each) for each in stored] == ["count", "One, two", "enough", "As you like."]
    assert stored[1]["metadata"]["status"] == "cancelled"


async def test_a_reload_in_the_middle(service: Service, script: Script, version: str) -> None:
    gate = asyncio.Event()
    script.play([say("Hello."), stop()], [think("Hm."), say("One, two"), gate, say(", three."), stop()])
    async with ai_chat(service, version, CHAT) as chat:
        await chat.send("hi")
        await chat.begin("sendMessage", {"text": "count"}, until="One, two")
    loaded = await history(service, quote(CHAT, safe=""))
    assert [each["role"] for each in loaded] == ["user", "assistant", "user"]
    async with ai_chat(service, version, CHAT, messages=loaded) as chat:
        await chat.begin("resumeStream", until="One, two")
        gate.set()
        state = await chat.settle()
        assert text_of(state["messages"][-1]) == "One, two, three."
        await check_history(service, state["messages"])
        assert (await chat.call("resumeStream"))["messages"] == state["messages"]


async def test_nothing_runs_where_nothing_is(service: Service, version: str) -> None:
    async with ai_chat(service, version, "no such chat") as chat:
        state = await chat.call("resumeStream")
    assert (state["status"], state.get("error"), state["messages"]) == ("ready", None, [])
    assert await history(service, "no such chat") == []


async def test_a_reload_while_a_call_waits(service: Service, script: Script, version: str) -> None:
    two = [call("pick", '{"n":1}', 0, "a"), call("pick", '{"n":2}', 1, "b"), stop("tool_calls")]
    script.play(two, [say("Both."), stop()])
    async with ai_chat(service, version, CHAT, body={"tools": [PICK]}) as chat:
        state = await chat.send("pick!")
    run = state["messages"][-1]["metadata"]["run_id"]
    one = {"outputs": [{"call_id": "a", "output": "red"}]}  # answered at another door
    assert (await service.client.post(f"/api/runs/{run}/tool-outputs", json=one)).status_code == 202
    loaded = await history(service, quote(CHAT, safe=""))
    async with ai_chat(service, version, CHAT, messages=loaded, automatic=True) as chat:
        state = await chat.call("resumeStream")
        assert [part.get("state") for part in state["messages"][-1]["parts"][1:]] == [
            "output-available",
            "input-available",
        ]
        method = "addToolOutput" if version != "5" else "addToolResult"
        await chat.call(method, {"tool": "pick", "toolCallId": "b", "output": "blue"})
        await chat.until("Both.")
        state = await chat.settle()
    await check_history(service, state["messages"])


async def test_an_edit_without_a_reload(service: Service, script: Script, version: str) -> None:
    script.play([say("A."), stop()], [say("B."), stop()], [say("C."), stop()])
    async with ai_chat(service, version, CHAT, reduced=True) as chat:
        first = (await chat.send("first"))["messages"][0]["id"]
        for text in ("better", "best"):
            state = await chat.send(text, messageId=first)
        assert [text_of(each) for each in state["messages"]] == ["best", "C."]
        service.runtime.is_draining = True  # an edit that is refused is sent when it is answered again
        await chat.send("last", messageId=first)
        service.runtime.is_draining = False
        state = await chat.call("regenerate")
    assert [text_of(each) for each in state["messages"]] == ["last", "Nothing more to say."]
    await check_history(service, state["messages"])


@pytest.mark.parametrize("reduced", [False, True])
async def test_an_edit_is_a_branch(service: Service, script: Script, version: str, reduced: bool) -> None:
    script.play([say("A."), stop()], [say("B."), stop()], [say("C."), stop()], [say("D."), stop()])
    async with ai_chat(service, version, CHAT) as chat:
        await chat.send("first")
        await chat.send("second")
    loaded = await history(service, quote(CHAT, safe=""))
    async with ai_chat(service, version, CHAT, messages=loaded, reduced=reduced) as chat:
        state = await chat.send("second, better", messageId=loaded[2]["id"])
        assert [text_of(each) for each in state["messages"]] == ["first", "A.", "second, better", "C."]
        asked = [each["content"] for each in script.prompts[-1].messages[1:]]
        assert asked == ["first", "A.", "second, better"]
        state = await chat.call("regenerate", {"messageId": state["messages"][-1]["id"]})
        assert [text_of(each) for each in state["messages"]] == ["first", "A.", "second, better", "D."]
    await check_history(service, state["messages"])
    session = state["messages"][-1]["metadata"]["session_id"]
    everything = (await service.client.get(f"/api/sessions/{session}/messages?branches=all")).json()["data"]
    assert len(everything) == 7


async def test_regenerate_after_a_refusal_sends_again(service: Service, script: Script, version: str) -> None:
    script.play([say("At last."), stop()])
    service.runtime.is_draining = True
    async with ai_chat(service, version, CHAT) as chat:
        state = await chat.send("hello?")
        assert (state["status"], "shutting_down" in state["error"]) == ("error", True)
        assert (await service.client.get("/api/sessions")).json()["data"] == []
        service.runtime.is_draining = False
        state = await chat.call("regenerate")
        assert [text_of(each) for each in state["messages"]] == ["hello?", "At last."]
    await check_history(service, state["messages"])


async def test_our_own_api_sees_the_same_chat(service: Service, script: Script, version: str) -> None:
    script.play([say("A."), stop()], [say("B."), stop()], [say("C."), stop()])
    session = await service.session(title="Ours")
    await service.send(session, "one")
    async with ai_chat(service, version, session, messages=await history(service, session)) as chat:
        await chat.send("two")
        await service.send(session, "three")  # the client does not know of it, and goes on from where it is
        state = await chat.send("four")
    assert [text_of(each) for each in state["messages"]] == ["one", "A.", "two", "B.", "four", "Nothing more to say."]
    await check_history(service, state["messages"], session)


async def test_an_open_answer_of_another_stays(service: Service, script: Script, version: str) -> None:
    script.play([say("A."), stop()], [say("Long"), asyncio.Event()])
    session = await service.session()
    await service.send(session, "one")
    loaded = await history(service, session)
    await service.start(session, "two")
    async with ai_chat(service, version, session, messages=loaded) as chat:
        state = await chat.send("three")
    assert (state["status"], "session_busy" in state["error"]) == ("error", True)


async def test_texts_of_two_models_are_one(service: Service, script: Script, version: str) -> None:
    gate = asyncio.Event()
    cut = [think("Hm."), say("To get to the oth"), stop("length")]
    script.play(cut, [think("It was cut."), say("er side"), gate, say("."), stop()])
    session = await service.session()
    answer = await service.send(session, "why?")
    async with ai_chat(service, version, session, messages=(await history(service, session))[:1]) as chat:
        begun = await service.client.post(
            f"/api/sessions/{session}/runs",
            json={"continue": answer["message"]["id"]},
            headers={"prefer": "respond-async"},
        )
        assert begun.status_code == 202
        await chat.begin("resumeStream", until="er side")
        gate.set()
        state = await chat.settle()
    assert text_of(state["messages"][-1]) == "To get to the other side."
    types = [part["type"] for part in state["messages"][-1]["parts"]]
    assert types == ["step-start", "reasoning", "text", "data-handover", "reasoning"]
    await check_history(service, state["messages"], session)
