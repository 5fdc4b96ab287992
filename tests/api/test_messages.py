"""Sending a message, and the three forms of its answer (docs/http-api.md)."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.shapes import ANSWER, MESSAGE, NO_UUIDS, RUN, TIME, UNKNOWN, UUID7, problem
from tests.api.streams import PATIENCE, streaming, text_of, until
from tests.api.tables import counts, nothing_stored
from tests.script import Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

FORMS = {
    "stream": [
        {},
        {"accept": "*/*"},
        {"accept": "text/event-stream"},
        {"accept": "application/json, text/event-stream"},
        {"accept": "text/event-stream;q=0.5, application/json"},
        {"accept": "text/html"},
        {"accept": "application/problem+json"},
        {"prefer": "return=minimal"},
    ],
    "json": [
        {"accept": "application/json"},
        {"accept": "Application/JSON; q=0.9, */*;q=0.1"},
        {"accept": "application/json", "prefer": "wait=10"},
    ],
    "async": [
        {"prefer": "respond-async"},
        {"prefer": "wait=10, Respond-Async"},
        {"prefer": "respond-async; foo=bar"},
        {"prefer": "respond-async", "accept": "application/json"},
        {"prefer": "respond-async", "accept": "text/event-stream"},
    ],
}


async def test_the_answer_is_a_stream_by_default(service: Service, script: Script, subtests: pytest.Subtests) -> None:
    for headers in FORMS["stream"]:
        with subtests.test(headers=headers):
            session_id = await service.session()
            request = {"json": {"content": "why?"}, "headers": headers}
            async with streaming(service, f"/api/sessions/{session_id}/messages", "POST", **request) as stream:
                events = await stream.rest()
            assert stream.answer.headers["content-type"].startswith("text/event-stream")
            assert [events[0]["type"], events[-1]["type"]] == ["run.started", "run.finished"]
            run_id = events[0]["run"]["id"]
            assert stream.answer.headers["location"] == f"/api/runs/{run_id}"
            assert stream.answer.headers["content-location"] == f"/api/runs/{run_id}/events"


async def test_the_answer_is_json_when_it_is_complete(
    service: Service, script: Script, subtests: pytest.Subtests
) -> None:
    for headers in FORMS["json"]:
        with subtests.test(headers=headers):
            script.prompts.clear()
            gate = asyncio.Event()
            script.play([say("To get "), gate, say("across."), stop(tokens=(12, 4))])
            session_id = await service.session()
            path = f"/api/sessions/{session_id}/messages"
            waiting = asyncio.create_task(service.client.post(path, json={"content": "why?"}, headers=headers))
            await until(lambda: script.prompts)
            assert not waiting.done()
            gate.set()
            async with asyncio.timeout(PATIENCE):
                answer = await waiting
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            body = answer.json()
            assert set(body) == ANSWER
            assert body["run"]["status"] == body["message"]["status"] == "completed"
            assert body["message"]["parts"] == [{"type": "text", "text": "To get across."}]
            assert answer.headers["location"] == f"/api/runs/{body['run']['id']}"
            assert answer.headers["content-location"] == f"/api/runs/{body['run']['id']}/events"


async def test_respond_async_is_answered_202_at_once(
    service: Service, script: Script, subtests: pytest.Subtests
) -> None:
    for headers in FORMS["async"]:
        with subtests.test(headers=headers):
            script.play([asyncio.Event()])
            session_id = await service.session()
            answer = await service.client.post(
                f"/api/sessions/{session_id}/messages", json={"content": "why?"}, headers=headers
            )
            assert answer.status_code == 202
            assert answer.headers["content-type"] == "application/json"
            body = answer.json()
            assert set(body) == ANSWER
            assert body["run"]["status"] == body["message"]["status"] == "in_progress"
            assert answer.headers["location"] == f"/api/runs/{body['run']['id']}"
            assert answer.headers["content-location"] == f"/api/runs/{body['run']['id']}/events"


async def test_a_header_in_two_lines_is_one_list(service: Service, script: Script) -> None:
    session_id = await service.session()
    path = f"/api/sessions/{session_id}/messages"
    lines = [("accept", "text/plain"), ("accept", "application/json")]
    answer = await service.client.post(path, json={"content": "why?"}, headers=lines)
    assert answer.headers["content-type"] == "application/json"
    script.play([asyncio.Event()])
    lines = [("prefer", "wait=1"), ("prefer", "respond-async")]
    async with service.client.stream("POST", path, json={"content": "why?"}, headers=lines) as answer:
        assert answer.status_code == 202


async def test_a_turn_is_two_messages_and_a_run(service: Service, script: Script) -> None:
    script.play([asyncio.Event()])
    session_id = await service.session()
    body = await service.start(session_id, "why?")
    run, user, message = body["run"], body["user_message"], body["message"]
    assert set(run) == RUN
    assert set(user) == set(message) == MESSAGE
    assert all(UUID7.fullmatch(noun["id"]) and TIME.fullmatch(noun["created_at"]) for noun in (run, user, message))
    assert {noun["session_id"] for noun in (run, user, message)} == {session_id}
    assert (user["role"], user["seq"], user["parent_id"], user["status"]) == ("user", 1, None, "completed")
    assert (user["parts"], user["run_id"]) == ([{"type": "text", "text": "why?"}], None)
    assert (message["role"], message["seq"], message["parent_id"]) == ("assistant", 2, user["id"])
    assert (message["parts"], message["run_id"], message["status"]) == ([], run["id"], "in_progress")
    assert (run["number"], run["user_message_id"], run["message_id"]) == (1, user["id"], message["id"])
    assert await counts(service) == {"sessions": 1, "messages": 2, "runs": 1, "message_files": 0, "run_events": 1}
    session = (await service.client.get(f"/api/sessions/{session_id}")).json()
    assert (session["status"], session["head_id"], session["message_count"]) == ("busy", message["id"], 2)


async def test_a_second_turn_follows_the_first(service: Service, script: Script) -> None:
    session_id = await service.session()
    first = await service.send(session_id, "1")
    second = await service.send(session_id, "2")
    assert second["user_message"]["parent_id"] == first["message"]["id"]
    assert [second["user_message"]["seq"], second["message"]["seq"]] == [3, 4]
    assert second["run"]["number"] == 2
    prompt_messages = [(message["role"], message["content"]) for message in script.prompts[1].messages[1:]]
    assert prompt_messages == [("user", "1"), ("assistant", "Nothing more to say."), ("user", "2")]


async def test_a_client_that_leaves_changes_nothing(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("To get "), gate, say("across."), stop()])
    session_id = await service.session()
    request = {"json": {"content": "why?"}}
    async with streaming(service, f"/api/sessions/{session_id}/messages", "POST", **request) as stream:
        run_id = (await stream.until("text.delta"))[0]["run"]["id"]
    gate.set()
    await service.events(run_id)
    run = await service.run(run_id)
    assert run["status"] == "completed"
    message = (await service.client.get(f"/api/messages/{run['message_id']}")).json()
    assert text_of(message) == "To get across."


@pytest.mark.parametrize(
    ("fields", "session_model", "model"),
    [({}, None, "gpt-5-mini"), ({}, "of the session", "of the session"), ({"model": "m"}, "of the session", "m")],
)
async def test_the_most_specific_model_answers(
    service: Service, script: Script, fields: dict[str, str], session_model: str | None, model: str
) -> None:
    session_id = await service.session(model=session_model)
    answer = await service.send(session_id, "why?", **fields)
    assert answer["run"]["model"] == script.prompts[0].model == model


async def test_content_is_stored_with_bad_characters_replaced(
    service: Service, script: Script, subtests: pytest.Subtests
) -> None:
    for content, stored in [
        ("x", "x"),
        (" x\n", " x\n"),
        ("\x00", "\ufffd"),
        ("a\x00b\ud800c\udc00d", "a\ufffdb\ufffdc\ufffdd"),
        ("\ud83d\ude00", "😀"),
        ("x" * 262_144, "x" * 262_144),
        ("😀" * 65_536, "😀" * 65_536),
        ("\ud800" * 87_381, "\ufffd" * 87_381),
    ]:
        with subtests.test(stored[:20], length=len(content)):
            session_id = await service.session()
            headers = {"content-type": "application/json", "accept": "application/json"}
            body = json.dumps({"content": content})  # in ASCII, all else escaped
            answer = await service.client.post(f"/api/sessions/{session_id}/messages", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            assert text_of(answer.json()["user_message"]) == stored
            assert script.prompts[-1].messages[-1] == {"role": "user", "content": stored}


async def test_a_message_with_invalid_fields_is_refused(
    service: Service, script: Script, subtests: pytest.Subtests
) -> None:
    bodies: list[Any] = [
        {},
        [],
        None,
        "why?",
        {"content": None},
        {"content": 7},
        {"content": ["why?"]},
        {"content": ""},
        {"content": " \t\r\n\u00a0\u2003"},
        {"content": "x" * 262_145},
        {"content": "😀" * 65_536 + "x"},
        {"content": "\ud800" * 87_382},
        {"content": "why?", "on_busy": "wait"},
        {"content": "why?", "on_busy": None},
        {"content": "why?", "model": 7},
        {"content": "why?", "role": "user"},
        {"content": "why?", "stream": True},
        {"content": "why?", "parent_id": 7},
        *({"content": "why?", "parent_id": each} for each in (UNKNOWN, *NO_UUIDS)),
    ]
    for body in bodies:
        with subtests.test(ascii(body)[:60]):
            session_id = await service.session()
            async with nothing_stored(service):
                answer = await service.client.post(
                    f"/api/sessions/{session_id}/messages",
                    content=json.dumps(body),
                    headers={"content-type": "application/json"},
                )
            assert answer.status_code == 422, answer.text
            assert answer.json()["code"] == "invalid_request"
            assert not script.prompts


async def test_a_message_needs_a_session(service: Service, script: Script, subtests: pytest.Subtests) -> None:
    for session_id in [UNKNOWN, *NO_UUIDS]:
        with subtests.test(session_id=session_id):
            async with nothing_stored(service):
                answer = await service.client.post(f"/api/sessions/{session_id}/messages", json={"content": "why?"})
            problem(answer, 404, "not_found")
            assert not script.prompts


async def test_a_client_s_own_id_of_a_message_is_kept(service: Service) -> None:
    session_id = await service.session()
    answer = await service.send(session_id, "hi", client_id="draft-7")
    assert answer["user_message"]["client_id"] == "draft-7"
    assert "client_id" not in answer["message"]
    listed = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()["data"]
    assert listed == [answer["user_message"], answer["message"]]
    refused = await service.client.post(f"/api/sessions/{session_id}/messages", json={"content": "x", "client_id": ""})
    assert refused.status_code == 422
