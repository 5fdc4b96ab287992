"""Changing and deleting sessions (docs/http-api.md)."""

import asyncio
from typing import Any

import pytest

from tests.api.shapes import NO_UUIDS, SESSION, UNKNOWN, problem
from tests.api.streams import streaming, text_of, until
from tests.api.tables import change_owner, counts, nothing_stored
from tests.deletions import until_gone
from tests.script import Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

FIELDS: dict[str, Any] = {"title": "Jokes", "model": "m", "assistant": "default", "metadata": {"a": "1", "b": "2"}}


async def patch(service: Service, session_id: str, **changes: Any) -> dict[str, Any]:
    answer = await service.client.patch(f"/api/sessions/{session_id}", json=changes)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == SESSION
    assert (await service.client.get(f"/api/sessions/{session_id}")).json() == answer.json()
    return answer.json()


async def test_only_the_named_fields_change(service: Service, subtests: pytest.Subtests) -> None:
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"title": "Other"}, {"title": "Other"}),
        ({"title": None}, {"title": None}),
        ({"model": "n"}, {"model": "n"}),
        ({"model": None}, {"model": None}),
        ({"assistant": "default"}, {"assistant": "default"}),
        ({"assistant": None}, {"assistant": "default"}),
        ({"metadata": {"c": "3"}}, {"metadata": {"c": "3"}}),
        ({"metadata": {}}, {"metadata": {}}),
        ({"metadata": None}, {"metadata": {}}),
        ({"title": "Other", "metadata": {}}, {"title": "Other", "metadata": {}}),
    ]
    for change, becomes in changes:
        with subtests.test(change=change, becomes=becomes):
            session_id = await service.session(**FIELDS)
            before = (await service.client.get(f"/api/sessions/{session_id}")).json()
            after = await patch(service, session_id, **change)
            assert after == before | becomes  # `updated_at`, too: it keeps its place in the list


async def test_no_change_changes_nothing(service: Service) -> None:
    session_id = await service.session(**FIELDS)
    async with nothing_stored(service):
        await patch(service, session_id)


async def test_an_invalid_change_is_refused_whole(service: Service, subtests: pytest.Subtests) -> None:
    for change in [
        {"title": "x" * 201},
        {"assistant": "nobody"},
        {"metadata": {"k": "v" * 513}},
        {"metadata": {str(n): "v" for n in range(17)}},
        {"head_id": UNKNOWN},
        {"head_id": None},
        {"id": UNKNOWN},
        {"status": "idle"},
        {"title": "good", "head_id": UNKNOWN},
        *({"head_id": no_uuid} for no_uuid in NO_UUIDS),
    ]:
        with subtests.test(change=change):
            session_id = await service.session(**FIELDS)
            async with nothing_stored(service):
                answer = await service.client.patch(f"/api/sessions/{session_id}", json=change)
            assert answer.status_code == 422, answer.text
            assert answer.json()["code"] == "invalid_request"


async def test_head_id_switches_the_active_branch(service: Service, script: Script) -> None:
    script.play([say("one"), stop()], [say("two"), stop()])
    session_id = await service.session()
    first = await service.send(session_id, "1")
    second = await service.send(session_id, "2", parent_id=None)
    for answer in (first, second):
        session = await patch(service, session_id, head_id=answer["message"]["id"].upper())
        assert session["head_id"] == answer["message"]["id"]
        branch = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()["data"]
        assert branch == [answer["user_message"], answer["message"]]


async def test_any_message_can_be_the_head(service: Service, script: Script) -> None:
    session_id = await service.session()
    first = await service.send(session_id, "1")
    await patch(service, session_id, head_id=first["user_message"]["id"])
    branch = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()["data"]
    assert branch == [first["user_message"]]
    third = await service.send(session_id, "3")
    assert third["user_message"]["parent_id"] == first["user_message"]["id"]


async def test_the_head_is_a_message_of_this_session(service: Service, script: Script) -> None:
    session_id, other = await service.session(), await service.session()
    foreign = (await service.send(other, "1"))["message"]["id"]
    async with nothing_stored(service):
        answer = await service.client.patch(f"/api/sessions/{session_id}", json={"head_id": foreign})
    problem(answer, 422, "invalid_request")
    await change_owner(service, other)
    async with nothing_stored(service):
        answer = await service.client.patch(f"/api/sessions/{session_id}", json={"head_id": foreign})
    problem(answer, 422, "invalid_request")


async def test_all_but_the_head_may_change_during_a_run(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([stop()], [say("so far"), gate, stop()])
    session_id = await service.session()
    first = await service.send(session_id, "1")
    open_ = await service.start(session_id, "2")
    for head_id in (first["message"]["id"], open_["message"]["id"]):
        answer = await service.client.patch(f"/api/sessions/{session_id}", json={"head_id": head_id, "title": "x"})
        document = problem(answer, 409, "session_busy", "run_id")
        assert document["run_id"] == open_["run"]["id"]
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["x-should-retry"] == "false"
    changed = await patch(service, session_id, title="meanwhile")
    assert (changed["status"], changed["title"]) == ("busy", "meanwhile")
    gate.set()
    await service.events(open_["run"]["id"])
    assert (await patch(service, session_id, head_id=first["message"]["id"]))["status"] == "idle"


async def test_a_deleted_session_is_gone_with_all_that_is_in_it(service: Service, script: Script) -> None:
    other_id, session_id = await service.session(), await service.session()
    await service.send(other_id, "stay")
    before = await counts(service)
    answers = [await service.send(session_id, text) for text in ("1", "2", "3")]
    answer = await service.client.delete(f"/api/sessions/{session_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    await until_gone(service.runtime.db)
    assert await counts(service) == before | {"sessions": 1}
    for path in (
        f"/api/sessions/{session_id}",
        f"/api/sessions/{session_id}/messages",
        f"/api/sessions/{session_id}/events",
        f"/api/messages/{answers[0]['message']['id']}",
        f"/api/runs/{answers[0]['run']['id']}",
        f"/api/runs/{answers[0]['run']['id']}/events",
    ):
        problem(await service.client.get(path), 404, "not_found")
    problem(await service.client.delete(f"/api/sessions/{session_id}"), 404, "not_found")


async def test_a_long_conversation_can_be_deleted(service: Service, script: Script) -> None:
    session_id = await service.session()
    for number in range(60):
        await service.send(session_id, str(number))
    assert (await service.client.delete(f"/api/sessions/{session_id}")).status_code == 204
    await until_gone(service.runtime.db)
    assert set((await counts(service)).values()) == {0}


async def test_deleting_a_session_cancels_its_run_for_all_readers(service: Service, script: Script) -> None:
    script.play([say("half a tho"), asyncio.Event()])
    session_id = await service.session()
    run_id = (await service.start(session_id, "1"))["run"]["id"]
    async with streaming(service, f"/api/runs/{run_id}/events") as stream:
        await stream.until("text.delta")
        assert (await service.client.delete(f"/api/sessions/{session_id}")).status_code == 204
        rest = await stream.rest()
    assert [event["type"] for event in rest] == ["run.finished"]
    assert rest[0]["run"]["status"] == rest[0]["message"]["status"] == "cancelled"
    assert text_of(rest[0]["message"]) == "half a tho"
    await until(lambda: script.closed == 1)
    await until_gone(service.runtime.db)
    assert set((await counts(service)).values()) == {0}


async def test_a_json_request_ends_when_its_session_is_deleted(service: Service, script: Script) -> None:
    script.play([say("half a tho"), asyncio.Event()])
    session_id = await service.session()
    path = f"/api/sessions/{session_id}/messages"
    waiting = asyncio.create_task(
        service.client.post(path, json={"content": "1"}, headers={"accept": "application/json"})
    )
    await until(lambda: script.prompts)
    assert (await service.client.delete(f"/api/sessions/{session_id}")).status_code == 204
    async with asyncio.timeout(10):
        assert (await waiting).status_code in {200, 404}
