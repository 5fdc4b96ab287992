"""A POST with an Idempotency-Key is safe to repeat (docs/http-api.md)."""

import asyncio
from typing import Any

import httpx2
import pytest

from chatkeep.errors import ModelUnavailable
from tests.api.shapes import UNKNOWN, invalid, problem
from tests.api.streams import PATIENCE, split_units, streaming, until
from tests.api.tables import counts, expire_logs, nothing_stored
from tests.deletions import until_gone
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

JSON = {"accept": "application/json"}
ASYNC = {"prefer": "respond-async"}


async def post(
    service: Service, session_id: str, key: str, form: dict[str, str], route: str = "messages", **body: Any
) -> httpx2.Response:
    headers = {"idempotency-key": key, **form}
    return await service.client.post(f"/api/sessions/{session_id}/{route}", json=body, headers=headers)


async def test_several_keys_are_refused(service: Service) -> None:
    session_id = await service.session()
    async with nothing_stored(service):
        answer = await service.client.post(
            f"/api/sessions/{session_id}/messages",
            json={"content": "why?"},
            headers=[("idempotency-key", "a"), ("idempotency-key", "b")],
        )
    problem(answer, 422, "invalid_request")


async def test_a_repeat_is_the_same_run_in_any_form(service: Service, script: Script) -> None:
    session_id = await service.session()
    first = await post(service, session_id, "key", JSON, content="why?")
    assert first.status_code == 200
    async with nothing_stored(service):
        again = await post(service, session_id, "key", JSON, content="why?")
        assert (again.status_code, again.json()) == (200, first.json())
        at_once = await post(service, session_id, "key", ASYNC, content="why?")
        assert (at_once.status_code, at_once.json()) == (202, first.json())
        request = {"json": {"content": "why?"}, "headers": {"idempotency-key": "key"}}
        async with streaming(service, f"/api/sessions/{session_id}/messages", "POST", **request) as stream:
            events = await stream.rest()
    assert split_units(events) == split_units(await service.events(first.json()["run"]["id"]))
    for answer in (again, at_once, stream.answer):
        assert answer.headers["location"] == first.headers["location"]
        assert answer.headers["content-location"] == first.headers["content-location"]
    assert len(script.prompts) == 1


async def test_a_key_has_legal_characters(service: Service, script: Script, subtests: pytest.Subtests) -> None:
    for key in ["a", "k" * 128, "A-Za-z0-9:_-", "0", "::"]:
        with subtests.test(key=key):
            session_id = await service.session()
            first, second = [await post(service, session_id, key, JSON, content="why?") for _ in range(2)]
            assert (first.status_code, first.json()) == (200, second.json())


async def test_a_key_with_other_characters_is_refused(
    service: Service, script: Script, subtests: pytest.Subtests
) -> None:
    for key in ["", "k" * 129, "a b", "a.b", "a/b", "ü", "a,b", '"a"', "a\tb"]:
        for route in ["messages", "runs"]:
            with subtests.test(key=key, route=route):
                session_id = await service.session()
                message_id = (await service.send(session_id, "0"))["user_message"]["id"]
                body = {"content": "why?"} if route == "messages" else {"message_id": message_id}
                headers = [(b"idempotency-key", key.encode("latin-1"))]
                async with nothing_stored(service):
                    answer = await service.client.post(
                        f"/api/sessions/{session_id}/{route}", json=body, headers=headers
                    )
                invalid(answer)


async def test_thirty_equal_requests_at_once_start_one_run(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("To get "), gate, say("across."), stop()])
    session_id = await service.session()
    forms = [JSON, ASYNC, {}]
    posts = [asyncio.create_task(post(service, session_id, "key", forms[n % 3], content="why?")) for n in range(30)]
    await until(lambda: sum(task.done() for task in posts) == 10)  # those that do not wait
    gate.set()
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*posts)
    assert sorted(answer.status_code for answer in answers) == [200] * 20 + [202] * 10
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(script.prompts) == 1
    stored = await counts(service)
    assert (stored["messages"], stored["runs"]) == (2, 1)
    finals = [answer.json() for answer in answers[::3]]
    assert all(final == finals[0] for final in finals)
    assert len({answer.content for answer in answers[::3]}) == 1


async def test_a_repeat_joins_the_running_stream(service: Service, script: Script) -> None:
    first_gate, gate = asyncio.Event(), asyncio.Event()
    script.play([first_gate, say("To get "), gate, say("across."), stop()])
    session_id = await service.session()
    first = (await post(service, session_id, "key", ASYNC, content="why?")).json()
    first_gate.set()
    request = {"json": {"content": "why?"}, "headers": {"idempotency-key": "key"}}
    async with streaming(service, f"/api/sessions/{session_id}/messages", "POST", **request) as stream:
        events = await stream.read_units(8)
        assert events[0]["run"] == first["run"]
        gate.set()
        events += await stream.rest()
    assert split_units(events) == split_units(await service.events(first["run"]["id"]))


async def test_an_interrupting_repeat_does_not_interrupt_itself(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([asyncio.Event()], [say("new"), gate, stop()])
    session_id = await service.session()
    await service.start(session_id, "old")
    first = await post(service, session_id, "key", ASYNC, content="why?", on_busy="interrupt")
    second = await post(service, session_id, "key", ASYNC, content="why?", on_busy="interrupt")
    assert second.json()["run"]["id"] == first.json()["run"]["id"]
    gate.set()
    events = await service.events(first.json()["run"]["id"])
    assert events[-1]["run"]["status"] == "completed"


async def test_the_same_key_with_another_request_is_a_mismatch(
    service: Service, script: Script, subtests: pytest.Subtests
) -> None:
    session_id = await service.session()
    await post(service, session_id, "key", JSON, content="why?")
    others: list[dict[str, Any]] = [
        {"content": "why not?"},
        {"content": "why? "},
        {"content": "why?", "parent_id": None},
        {"content": "why?", "model": "other"},
        {"content": "why?", "on_busy": "interrupt"},
    ]
    for other in others:
        with subtests.test(other=other):
            async with nothing_stored(service):
                answer = await post(service, session_id, "key", JSON, **other)
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert len(script.prompts) == 1


async def test_requests_equal_after_validation_are_the_same(service: Service, script: Script) -> None:
    session_id = await service.session()
    parent_id = (await service.send(session_id, "0"))["message"]["id"]
    bodies = [
        {"content": "why?", "parent_id": parent_id},
        {"parent_id": parent_id.upper(), "content": "why?"},
        {"content": "why?", "parent_id": parent_id, "on_busy": "reject", "model": None},
    ]
    answers = [await post(service, session_id, "key", JSON, **body) for body in bodies]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.headers["location"] for answer in answers}) == 1


async def test_a_key_counts_for_one_session_and_one_route(service: Service, script: Script) -> None:
    session_id, other = await service.session(), await service.session()
    first = await post(service, session_id, "key", JSON, content="why?")
    elsewhere = await post(service, other, "key", JSON, content="why?")
    assert elsewhere.headers["location"] != first.headers["location"]
    message_id = first.json()["user_message"]["id"]
    async with nothing_stored(service):
        answer = await post(service, session_id, "key", JSON, "runs", message_id=message_id)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")


async def test_answering_again_is_safe_to_repeat_too(service: Service, script: Script) -> None:
    session_id = await service.session()
    message_id = (await service.send(session_id, "why?"))["user_message"]["id"]
    first = await post(service, session_id, "key", JSON, "runs", message_id=message_id)
    async with nothing_stored(service):
        again = await post(service, session_id, "key", JSON, "runs", message_id=message_id.upper())
    assert (again.status_code, again.json()) == (200, first.json())
    async with nothing_stored(service):
        mismatch = await post(service, session_id, "key", JSON, "runs", message_id=message_id, model="other")
    assert (mismatch.status_code, mismatch.json()["code"]) == (422, "idempotency_mismatch")


async def test_a_repeat_comes_before_every_limit(database: str, script: Script) -> None:
    script.play([say("half"), asyncio.Event()])
    async with serving(settings(database, max_runs=1), script) as service:
        session_id, other = await service.session(), await service.session()
        first = await post(service, session_id, "key", ASYNC, content="why?")
        problem(
            await service.client.post(f"/api/sessions/{other}/messages", json={"content": "1"}), 429, "too_many_runs"
        )
        again = await post(service, session_id, "key", ASYNC, content="why?")
        assert again.status_code == 202
        assert again.json()["run"]["id"] == first.json()["run"]["id"]
        service.runtime.is_draining = True
        again = await post(service, session_id, "key", ASYNC, content="why?")
        assert again.status_code == 202
        problem(await post(service, session_id, "new", ASYNC, content="why?"), 503, "shutting_down")


async def test_a_repeat_comes_after_newer_turns_too(service: Service, script: Script) -> None:
    session_id = await service.session()
    first = await post(service, session_id, "key", JSON, content="why?")
    await service.send(session_id, "2")
    async with nothing_stored(service):
        again = await post(service, session_id, "key", JSON, content="why?")
    assert again.json() == first.json()


async def test_a_failed_run_is_repeated_as_it_failed(service: Service, script: Script) -> None:
    script.play([ModelUnavailable("gone")])
    session_id = await service.session()
    first, again = [await post(service, session_id, "key", JSON, content="why?") for _ in range(2)]
    assert first.json()["run"]["status"] == "failed"
    assert again.json() == first.json()


async def test_a_refused_request_does_not_use_up_its_key(service: Service, script: Script) -> None:
    session_id = await service.session()
    refused = await post(service, session_id, "key", JSON, content="why?", parent_id=UNKNOWN)
    problem(refused, 422, "invalid_request")
    assert (await post(service, session_id, "key", JSON, content="why?")).status_code == 200


async def test_a_key_holds_across_restarts(database: str, script: Script) -> None:
    script.play([say("across"), stop()], [say("half"), asyncio.Event()])
    async with serving(settings(database), script) as service:
        session_id, other = await service.session(), await service.session()
        ended = (await post(service, session_id, "key", JSON, content="why?")).json()
        log = split_units(await service.events(ended["run"]["id"]))
        cut = (await post(service, other, "key", ASYNC, content="why?")).json()
        async with streaming(service, f"/api/runs/{cut['run']['id']}/events") as stream:
            await stream.read_units(5)
    async with serving(settings(database), script) as service:
        async with nothing_stored(service):
            again = (await post(service, session_id, "key", JSON, content="why?")).json()
            assert again == ended
            assert split_units(await service.events(ended["run"]["id"])) == log
            again = (await post(service, other, "key", JSON, content="why?")).json()
        assert (again["run"]["id"], again["run"]["status"]) == (cut["run"]["id"], "interrupted")
        problem_ = await post(service, other, "key", JSON, content="why not?")
        assert problem_.json()["code"] == "idempotency_mismatch"
    assert len(script.prompts) == 2


async def test_a_repeat_after_the_log_expired_names_the_answer(service: Service, script: Script) -> None:
    session_id = await service.session()
    first = (await post(service, session_id, "key", JSON, content="why?")).json()
    await expire_logs(service)
    for form in (JSON, ASYNC, {}):
        answer = await post(service, session_id, "key", form, content="why?")
        document = problem(answer, 410, "events_expired", "run_id", "message_id")
        assert (document["run_id"], document["message_id"]) == (first["run"]["id"], first["message"]["id"])
    answer = await post(service, session_id, "key", JSON, content="why not?")
    assert answer.json()["code"] == "idempotency_mismatch"
    assert len(script.prompts) == 1


async def test_a_key_is_deleted_with_its_session(service: Service, script: Script) -> None:
    session_id = await service.session(id=UNKNOWN)
    await post(service, session_id, "key", JSON, content="why?")
    await service.client.delete(f"/api/sessions/{session_id}")
    problem(await post(service, session_id, "key", JSON, content="why?"), 404, "not_found")
    await until_gone(service.runtime.db)  # until then its id is taken
    await service.session(id=UNKNOWN)
    assert (await post(service, session_id, "key", JSON, content="something else")).status_code == 200
