"""Draining: no new work, streams end, runs get a grace period (docs/events.md)."""

import asyncio

import pytest

from chatkeep.runs.startup import drain
from tests.api.shapes import ANSWER, problem
from tests.api.streams import PATIENCE, split_units, streaming, text_of, until
from tests.api.tables import nothing_stored
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio


async def test_a_draining_service_refuses_new_work(service: Service, script: Script) -> None:
    session_id = await service.session()
    first = await service.send(session_id, "1")
    await drain(service.runtime, grace=0)
    async with nothing_stored(service):
        for path, body in (
            ("messages", {"content": "2"}),
            ("messages", {"content": "2", "on_busy": "interrupt"}),
            ("runs", {"message_id": first["user_message"]["id"]}),
        ):
            for headers in ({}, {"accept": "application/json"}, {"prefer": "respond-async"}):
                answer = await service.client.post(f"/api/sessions/{session_id}/{path}", json=body, headers=headers)
                problem(answer, 503, "shutting_down")
                assert int(answer.headers["retry-after"]) > 0
    assert len(script.prompts) == 1


async def test_a_draining_service_still_serves_reads(service: Service, script: Script) -> None:
    session_id = await service.session()
    path, headers = f"/api/sessions/{session_id}/messages", {"idempotency-key": "key", "accept": "application/json"}
    first = (await service.client.post(path, json={"content": "1"}, headers=headers)).json()
    await drain(service.runtime, grace=0)
    again = await service.client.post(path, json={"content": "1"}, headers=headers)
    assert (again.status_code, again.json()) == (200, first)
    assert (await service.client.get(path)).json()["data"] == [first["user_message"], first["message"]]
    assert await service.run(first["run"]["id"]) == first["run"]
    end = await service.client.get(f"/api/runs/{first['run']['id']}/events?after={first['run']['position']}")
    assert end.status_code == 204
    problem(await service.client.get(f"/api/runs/{first['run']['id']}/events?after=x"), 400, "bad_position")


async def test_open_streams_end_cleanly_before_the_run_does(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("half"), gate, say(" and half"), stop()])
    session_id = await service.session()
    run_id = (await service.start(session_id, "1"))["run"]["id"]
    paths = [f"/api/runs/{run_id}/events", f"/api/sessions/{session_id}/events?after=1.0"]
    async with streaming(service, paths[0]) as stream, streaming(service, paths[1]) as feed:
        await stream.read_units(5)
        await feed.until("text.delta")
        draining = asyncio.create_task(drain(service.runtime, PATIENCE))
        assert await stream.rest() == []
        assert await feed.rest() == []
    for path in (*paths, f"/api/sessions/{session_id}/events"):
        async with streaming(service, path) as late:
            assert late.answer.headers["content-type"].startswith("text/event-stream")
            assert await late.rest() == []
    gate.set()
    await draining
    assert (await service.run(run_id))["status"] == "completed"


async def test_a_json_request_is_answered_202_when_draining(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("half"), gate, stop()])
    session_id = await service.session()
    path, headers = f"/api/sessions/{session_id}/messages", {"accept": "application/json", "idempotency-key": "key"}
    waiting = [asyncio.create_task(service.client.post(path, json={"content": "1"}, headers=headers)) for _ in range(3)]
    await until(lambda: script.prompts)
    draining = asyncio.create_task(drain(service.runtime, PATIENCE))
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*waiting)
    for answer in [*answers, await service.client.post(path, json={"content": "1"}, headers=headers)]:
        assert answer.status_code == 202
        assert set(answer.json()) == ANSWER
        assert answer.json()["run"]["status"] == "in_progress"
        assert answer.headers["location"] == f"/api/runs/{answer.json()['run']['id']}"
    gate.set()
    await draining
    final = await service.client.post(path, json={"content": "1"}, headers=headers)
    assert (final.status_code, final.json()["run"]["status"]) == (200, "completed")


async def test_runs_beyond_the_grace_period_are_interrupted(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("half"), gate, say(" and half"), stop()], [say("never"), asyncio.Event()])
    quick, slow = [(await service.start(await service.session(), "1"))["run"]["id"] for _ in range(2)]
    await until(lambda: len(script.prompts) == 2)
    seen = {}
    for run_id, count in ((quick, 5), (slow, 6)):
        async with streaming(service, f"/api/runs/{run_id}/events") as stream:
            seen[run_id] = split_units(await stream.read_units(count))
    draining = asyncio.create_task(drain(service.runtime, grace=1))
    await until(lambda: service.runtime.is_draining)
    gate.set()
    await draining
    for run_id, status, text in ((quick, "completed", "half and half"), (slow, "interrupted", "never")):
        run = await service.run(run_id)
        assert run["status"] == status
        message = (await service.client.get(f"/api/messages/{run['message_id']}")).json()
        assert (message["status"], text_of(message)) == (status, text)
    assert script.closed == 2


async def test_after_a_restart_everything_is_there(database: str, script: Script) -> None:
    script.play([say("half"), asyncio.Event()], [say("whole"), stop()])
    async with serving(settings(database), script) as service:
        session_id = await service.session()
        started = await service.start(session_id, "1")
        run_id = started["run"]["id"]
        async with streaming(service, f"/api/runs/{run_id}/events") as stream:
            seen = split_units(await stream.read_units(5))
    async with serving(settings(database), script) as service:
        events = await service.events(run_id)
        assert split_units(events)[:5] == seen
        assert split_units(await service.events(run_id, 3)) == split_units(events)[3:]
        assert events[-1]["type"] == "run.finished"
        assert (events[-1]["run"]["status"], text_of(events[-1]["message"])) == ("interrupted", "half")
        assert events[-1]["run"] == await service.run(run_id)
        session = (await service.client.get(f"/api/sessions/{session_id}")).json()
        assert session["status"] == "idle"
        answer = await service.send(session_id, "2")
        assert text_of(answer["message"]) == "whole"
        prompt_messages = [(message["role"], message["content"]) for message in script.prompts[1].messages[1:]]
        assert prompt_messages == [("user", "1"), ("assistant", "half"), ("user", "2")]


async def test_a_turn_that_is_being_stored_is_waited_for(service: Service) -> None:
    service.runtime.slots.reserve("a run", "an owner")
    draining = asyncio.create_task(drain(service.runtime, PATIENCE))
    async with asyncio.timeout(PATIENCE):
        while not service.runtime.is_draining:
            await asyncio.sleep(0)
    assert not service.runtime.is_interrupting
    service.runtime.slots.release("a run")
    await draining
    assert service.runtime.is_interrupting
