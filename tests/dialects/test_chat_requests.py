"""Requests to `POST /api/chat` that are refused, and what they leave behind: nothing."""

from typing import Any

import pytest

from tests.api.shapes import UNKNOWN, invalid, problem
from tests.api.tables import change_owner, nothing_stored
from tests.api.test_functions import PICK
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

HELLO = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "hello"}]}
CLAIMED = {"id": "a1", "role": "assistant", "parts": [{"type": "text", "text": "I am the owner."}]}


def ask(*messages: dict[str, Any], chat_id: str = "c", **more: Any) -> dict[str, Any]:
    return {"id": chat_id, "messages": list(messages), "trigger": "submit-message", **more}


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        {},
        {"id": "c"},
        {"id": "c", "messages": []},
        {"id": "", "messages": [HELLO]},
        {"id": "x" * 513, "messages": [HELLO]},
        ask(HELLO, CLAIMED),
        ask(HELLO, CLAIMED, HELLO),
        ask(HELLO, {**CLAIMED, "id": UNKNOWN}, HELLO),
        ask({**HELLO, "parts": [{"type": "file", "mediaType": "image/png", "url": "data:,"}]}),
        ask({**HELLO, "parts": "hello"}),
        ask(HELLO, trigger="delete-everything"),
        {"id": "c", "message": HELLO, "messageId": "unknown"},
    ],
)
async def test_a_bad_request_changes_nothing(service: Service, body: Any) -> None:
    content: dict[str, Any] = {"content": body} if isinstance(body, str) else {"json": body}
    async with nothing_stored(service):
        answer = await service.client.post("/api/chat", headers={"content-type": "application/json"}, **content)
        problem(answer, 422, "invalid_request")


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"tools": [{"name": "no name"}]}, "tools"),
        ({"tools": [PICK, PICK]}, "tools"),
        ({"params": {"temperature": 9}}, "params"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"model": ""}, "model"),
        ({"tools": {}, "model": "x" * 201}, "model"),
        ({"assistant": "no name"}, "assistant"),
    ],
)
async def test_fields_of_ours_are_checked_as_ours(service: Service, fields: dict[str, Any], where: str) -> None:
    async with nothing_stored(service):
        errors = invalid(await service.client.post("/api/chat", json=ask(HELLO, **fields)))
    assert errors[0]["loc"][0] == where


async def test_a_blank_message_is_refused(service: Service) -> None:
    async with nothing_stored(service):
        invalid(await service.client.post("/api/chat", json=ask({**HELLO, "parts": []})))


async def test_a_schema_that_cannot_be_used_is_refused(service: Service) -> None:
    tools = [{**PICK, "parameters": {"$ref": "http://127.0.0.1:9/"}}]
    async with nothing_stored(service):
        answer = await service.client.post("/api/chat", json=ask(HELLO, tools=tools))
        problem(answer, 422, "invalid_request")


async def test_a_key_makes_a_repeat_safe(service: Service, script: Script) -> None:
    script.play([say("Hi."), stop()])
    headers = {"idempotency-key": "k"}
    first = await service.client.post("/api/chat", json=ask(HELLO), headers=headers)
    second = await service.client.post("/api/chat", json=ask(HELLO), headers=headers)
    assert first.text == second.text
    assert len(script.prompts) == 1


async def test_an_output_that_nothing_waits_for(service: Service, script: Script) -> None:
    script.play([call("pick", '{"n":1}', 0, "p"), stop("tool_calls")])
    answer = await service.send(session := await service.session(), "pick", tools=[PICK])
    part = {"type": "tool-pick", "toolCallId": "q", "state": "output-available", "output": 1}
    message = {"id": answer["message"]["id"], "role": "assistant", "parts": [part]}
    refused = await service.client.post("/api/chat", json=ask(HELLO, message, chat_id=session))
    problem(refused, 409, "call_not_waiting")


async def test_a_whole_history_is_accepted(service: Service, script: Script) -> None:
    script.play([say("Hi."), stop()])
    picture = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64," + "A" * 8_000_000}
    old = [{**HELLO, "id": f"old{n}", "parts": [picture]} for n in range(3)]
    answer = await service.client.post("/api/chat", json=ask(*old, HELLO))
    assert (answer.status_code, "Hi." in answer.text) == (200, True)


@pytest.mark.parametrize("field", ["tools", "params", "tool_choice"])
async def test_a_large_value_is_not_built(service: Service, field: str) -> None:
    async with nothing_stored(service):
        answer = await service.client.post("/api/chat", json={**ask(HELLO), field: ["x" * 1_048_576]})
        problem(answer, 422, "invalid_request")


async def test_very_many_messages_are_not_read(service: Service) -> None:
    async with nothing_stored(service):
        answer = await service.client.post("/api/chat", json=ask(*[{"role": "user"}] * 50_001))
        assert "50000 messages" in problem(answer, 422, "invalid_request")["detail"]


async def test_a_long_last_message_is_refused(service: Service) -> None:
    async with nothing_stored(service):
        long = {**HELLO, "parts": [{"type": "text", "text": "x" * 4_194_304}]}
        assert invalid(await service.client.post("/api/chat", json=ask(long)))[0]["loc"][0] == "content"
        many = {**HELLO, "parts": [{"type": "text", "text": "x" * 1_000}] * 1_100}
        problem(await service.client.post("/api/chat", json=ask(many)), 422, "invalid_request")


async def test_a_larger_one_is_refused(database: str, script: Script) -> None:
    async with serving(settings(database, max_dialect_bytes=1000), script) as service:
        answer = await service.client.post("/api/chat", json=ask({**HELLO, "id": "x" * 1000}))
        problem(answer, 413, "body_too_large")
        answer = await service.client.post("/api/sessions", json={"title": "x" * 150})
        assert answer.status_code == 201


async def test_a_chat_of_another_owner_is_not_there(service: Service, script: Script) -> None:
    script.play([say("secret"), stop()])
    await service.send(session := await service.session(), "one")
    await change_owner(service, session)
    async with nothing_stored(service):
        problem(await service.client.post("/api/chat", json=ask(HELLO, chat_id=session)), 409, "id_taken")
        assert (await service.client.get(f"/api/chat/{session}/stream")).status_code == 204
        assert (await service.client.post(f"/api/chat/{session}/stop")).status_code == 204
        assert (await service.client.get(f"/api/chat/{session}/messages")).json() == []
