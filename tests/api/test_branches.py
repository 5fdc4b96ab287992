"""Branches: an edited message is a new branch, a message answered again gets a sibling (docs/http-api.md)."""

import asyncio
from typing import Any

import pytest

from chatkeep.errors import ModelUnavailable
from tests.api.shapes import ANSWER, NO_UUIDS, UNKNOWN, problem
from tests.api.streams import streaming, text_of
from tests.api.tables import change_owner, nothing_stored
from tests.script import Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio


async def branch(service: Service, session_id: str) -> list[str]:
    """Return the texts of the active branch."""
    page = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()
    return [text_of(message) for message in page["data"]]


async def again(service: Service, session_id: str, message_id: str, **more: Any) -> dict[str, Any]:
    path, headers = f"/api/sessions/{session_id}/runs", {"accept": "application/json"}
    answer = await service.client.post(path, json={"message_id": message_id, **more}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == ANSWER
    assert answer.headers["location"] == f"/api/runs/{answer.json()['run']['id']}"
    assert answer.headers["content-location"] == answer.headers["location"] + "/events"
    return answer.json()


def prompt(script: Script, number: int) -> list[str]:
    """Return the messages of the `number`-th prompt, without the system prompt."""
    return [message["content"] for message in script.prompts[number].messages[1:]]


async def test_a_message_after_an_earlier_answer_is_a_branch_there(service: Service, script: Script) -> None:
    script.play(*[[say(text), stop()] for text in ("a1", "a2", "a2b")])
    session_id = await service.session()
    first = await service.send(session_id, "q1")
    await service.send(session_id, "q2")
    edited = await service.send(session_id, "q2b", parent_id=first["message"]["id"].upper())
    assert edited["user_message"]["parent_id"] == first["message"]["id"]
    assert [edited["user_message"]["seq"], edited["message"]["seq"]] == [5, 6]
    assert await branch(service, session_id) == ["q1", "a1", "q2b", "a2b"]
    assert prompt(script, 2) == ["q1", "a1", "q2b"]


async def test_parent_null_is_a_new_first_message(service: Service, script: Script) -> None:
    script.play(*[[say(text), stop()] for text in ("a1", "a1b", "a2")])
    session_id = await service.session()
    await service.send(session_id, "q1")
    edited = await service.send(session_id, "q1b", parent_id=None)
    assert edited["user_message"]["parent_id"] is None
    assert await branch(service, session_id) == ["q1b", "a1b"]
    assert prompt(script, 1) == ["q1b"]
    await service.send(session_id, "q2")
    assert await branch(service, session_id) == ["q1b", "a1b", "q2", "a2"]


async def test_a_failed_or_cancelled_answer_can_be_a_parent(service: Service, script: Script) -> None:
    script.play([say("To g"), ModelUnavailable("gone")], [say("across"), stop()])
    session_id = await service.session()
    failed = await service.send(session_id, "q1")
    assert failed["message"]["status"] == "failed"
    await service.send(session_id, "q2", parent_id=failed["message"]["id"])
    assert await branch(service, session_id) == ["q1", "To g", "q2", "across"]


async def test_a_parent_is_an_answer_of_this_session(service: Service, script: Script) -> None:
    session_id, other = await service.session(), await service.session()
    own = await service.send(session_id, "q1")
    neighbour = await service.send(other, "q1")
    stranger = await service.session()
    strange = await service.send(stranger, "q1")
    await change_owner(service, stranger)
    prompt_count = len(script.prompts)
    for parent_id in (own["user_message"]["id"], neighbour["message"]["id"], strange["message"]["id"], UNKNOWN):
        for on_busy in ("reject", "interrupt"):
            body = {"content": "q2", "parent_id": parent_id, "on_busy": on_busy}
            async with nothing_stored(service):
                answer = await service.client.post(f"/api/sessions/{session_id}/messages", json=body)
            problem(answer, 422, "invalid_request")
    assert len(script.prompts) == prompt_count


async def test_an_open_answer_is_no_parent(service: Service, script: Script) -> None:
    script.play([say("half"), asyncio.Event()])
    session_id = await service.session()
    open_ = await service.start(session_id, "q1")
    async with streaming(service, f"/api/runs/{open_['run']['id']}/events") as stream:
        await stream.read_units(5)
        body = {"content": "q2", "parent_id": open_["message"]["id"]}
        async with nothing_stored(service):
            answer = await service.client.post(f"/api/sessions/{session_id}/messages", json=body)
        assert answer.status_code in {409, 422}, answer.text  # it is both: the session is busy with just this answer


async def test_a_message_is_answered_again_beside_the_first_answer(service: Service, script: Script) -> None:
    script.play(*[[say(text), stop()] for text in ("a1", "a1b", "a2")])
    session_id = await service.session()
    first = await service.send(session_id, "q1")
    second = await again(service, session_id, first["user_message"]["id"].upper(), model="other")
    assert second["user_message"] == first["user_message"]
    assert second["message"]["id"] != first["message"]["id"]
    assert second["message"]["parent_id"] == first["user_message"]["id"]
    assert (second["message"]["seq"], second["run"]["number"], second["run"]["model"]) == (3, 2, "other")
    assert prompt(script, 1) == ["q1"]
    session = (await service.client.get(f"/api/sessions/{session_id}")).json()
    assert (session["head_id"], session["message_count"]) == (second["message"]["id"], 3)
    assert await branch(service, session_id) == ["q1", "a1b"]
    await service.send(session_id, "q2")
    assert await branch(service, session_id) == ["q1", "a1b", "q2", "a2"]


async def test_an_earlier_message_can_be_answered_again(service: Service, script: Script) -> None:
    script.play(*[[say(text), stop()] for text in ("a1", "a2", "a1b")])
    session_id = await service.session()
    first = await service.send(session_id, "q1")
    second = await service.send(session_id, "q2")
    await again(service, session_id, first["user_message"]["id"])
    assert await branch(service, session_id) == ["q1", "a1b"]
    assert prompt(script, 2) == ["q1"]
    page = (await service.client.get(f"/api/sessions/{session_id}/messages?branches=all")).json()["data"]
    assert [text_of(message) for message in page] == ["q1", "a1", "q2", "a2", "a1b"]
    await service.client.patch(f"/api/sessions/{session_id}", json={"head_id": second["message"]["id"]})
    assert await branch(service, session_id) == ["q1", "a1", "q2", "a2"]


async def test_a_failed_answer_is_tried_again(service: Service, script: Script) -> None:
    script.play([ModelUnavailable("gone")], [say("across"), stop()])
    session_id = await service.session()
    failed = await service.send(session_id, "q1")
    assert failed["run"]["status"] == "failed"
    assert (await again(service, session_id, failed["user_message"]["id"]))["run"]["status"] == "completed"
    assert await branch(service, session_id) == ["q1", "across"]


async def test_regenerating_can_interrupt(service: Service, script: Script) -> None:
    script.play([say("half"), asyncio.Event()], [say("whole"), stop()])
    session_id = await service.session()
    old = await service.start(session_id, "q1")
    async with streaming(service, f"/api/runs/{old['run']['id']}/events") as stream:
        await stream.read_units(5)
        await again(service, session_id, old["user_message"]["id"], on_busy="interrupt")
        assert (await stream.rest())[-1]["run"]["status"] == "cancelled"
    assert await branch(service, session_id) == ["q1", "whole"]
    assert prompt(script, 1) == ["q1"]


async def test_regenerating_streams_and_answers_at_once_like_sending(service: Service, script: Script) -> None:
    session_id = await service.session()
    body = {"message_id": (await service.send(session_id, "q1"))["user_message"]["id"]}
    path = f"/api/sessions/{session_id}/runs"
    async with streaming(service, path, "POST", json=body) as stream:
        events = await stream.rest()
    assert (events[0]["type"], events[-1]["type"]) == ("run.started", "run.finished")
    answer = await service.client.post(path, json=body, headers={"prefer": "respond-async"})
    assert (answer.status_code, set(answer.json())) == (202, ANSWER)


async def test_only_a_user_message_of_this_session_is_answered_again(service: Service, script: Script) -> None:
    session_id, other = await service.session(), await service.session()
    own = await service.send(session_id, "q1")
    neighbour = await service.send(other, "q1")
    stranger = await service.session()
    strange = await service.send(stranger, "q1")
    await change_owner(service, stranger)
    foreign = [own["message"]["id"], neighbour["user_message"]["id"], strange["user_message"]["id"]]
    bodies: list[dict[str, Any]] = [{"message_id": each} for each in (*foreign, UNKNOWN, *NO_UUIDS, None, 7)]
    good = own["user_message"]["id"]
    bodies += [{}, {"message_id": good, "content": "x"}, {"message_id": good, "on_busy": "wait"}]
    for body in bodies:
        async with nothing_stored(service):
            answer = await service.client.post(f"/api/sessions/{session_id}/runs", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), body
