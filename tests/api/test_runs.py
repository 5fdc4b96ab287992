"""Runs: read, cancelled, limited; a busy session, and a model that fails (docs/http-api.md)."""

import asyncio

import pytest

from chatkeep.errors import ModelUnavailable
from tests.api.shapes import NO_UUIDS, RUN, TIME, UNKNOWN, problem, usage
from tests.api.streams import streaming, text_of, until
from tests.api.tables import counts, nothing_stored
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio


async def test_a_run_shows_its_outcome(service: Service, script: Script) -> None:
    begin, gate = asyncio.Event(), asyncio.Event()
    script.play([begin, say("To get"), gate, say(" across."), stop(tokens=(12, 4))])
    session_id = await service.session()
    started = (await service.start(session_id, "why?"))["run"]
    begin.set()
    assert set(started) == RUN
    assert (started["status"], started["number"], started["attempt"]) == ("in_progress", 1, 1)
    assert [started[name] for name in ("finish_reason", "error", "first_token_at", "finished_at")] == [None] * 4
    assert started["usage"] == usage(0, 0, estimated=True)
    async with streaming(service, f"/api/runs/{started['id']}/events") as stream:
        await stream.read_units(7)
        under_way = await service.run(started["id"])
        assert (under_way["status"], under_way["position"]) == ("in_progress", 7)
        gate.set()
        finished = (await stream.rest())[-1]["run"]
    run = await service.run(started["id"].upper())
    assert run == finished
    assert (run["status"], run["finish_reason"], run["error"]) == ("completed", "stop", None)
    assert run["usage"] == usage(12, 4)
    assert run["position"] == 1 + len("To get across.") + 1
    times = [run[name] for name in ("created_at", "started_at", "first_token_at", "finished_at")]
    assert all(TIME.fullmatch(time) for time in times)
    assert times == sorted(times)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_a_cut_answer_is_incomplete(service: Service, script: Script, reason: str) -> None:
    script.play([say("To g"), stop(reason)])
    answer = await service.send(await service.session(), "why?")
    assert (answer["run"]["status"], answer["run"]["finish_reason"]) == ("incomplete", reason)
    assert (answer["message"]["status"], text_of(answer["message"])) == ("incomplete", "To g")


async def test_an_answer_without_an_end_is_incomplete(service: Service, script: Script) -> None:
    script.play([say("To g")])
    run = (await service.send(await service.session(), "why?"))["run"]
    assert (run["status"], run["finish_reason"], run["usage"]["estimated"]) == ("incomplete", "missing", True)


async def test_a_run_that_is_not_there_is_not_found(service: Service, subtests: pytest.Subtests) -> None:
    for run_id in [UNKNOWN, *NO_UUIDS]:
        with subtests.test(run_id=run_id):
            problem(await service.client.get(f"/api/runs/{run_id}"), 404, "not_found")
            problem(await service.client.get(f"/api/runs/{run_id}/events"), 404, "not_found")
            problem(await service.client.post(f"/api/runs/{run_id}/cancel"), 404, "not_found")


async def test_a_cancelled_run_keeps_its_text_and_closes_the_model(service: Service, script: Script) -> None:
    script.play([say("half a tho"), asyncio.Event()], [say("again"), stop()])
    session_id = await service.session()
    run_id = (await service.start(session_id, "1"))["run"]["id"]
    async with streaming(service, f"/api/runs/{run_id}/events") as stream:
        events = await stream.read_units(11)
        cancelled = await service.client.post(f"/api/runs/{run_id}/cancel")
        assert cancelled.status_code == 202
        events += await stream.rest()
    assert [event["type"] for event in events[-2:]] == ["text.delta", "run.finished"]
    assert set(cancelled.json()) == RUN
    repeated = await service.client.post(f"/api/runs/{run_id}/cancel")
    assert (repeated.status_code, repeated.json()) == (200, events[-1]["run"])
    run = repeated.json()
    assert (run["status"], run["error"], run["usage"]["estimated"]) == ("cancelled", None, True)
    assert run["usage"]["input_tokens"] > 0
    assert events[-1]["message"]["status"] == "cancelled"
    assert text_of(events[-1]["message"]) == "half a tho"
    await until(lambda: script.closed == 1)
    assert text_of((await service.send(session_id, "2"))["message"]) == "again"


async def test_an_ended_run_never_changes_again(service: Service, script: Script) -> None:
    run = (await service.send(await service.session(), "1"))["run"]
    async with nothing_stored(service):
        answer = await service.client.post(f"/api/runs/{run['id']}/cancel")
    assert (answer.status_code, answer.json()) == (200, run)


async def test_many_cancels_are_one(service: Service, script: Script) -> None:
    script.play([say("half"), asyncio.Event()])
    run_id = (await service.start(await service.session(), "1"))["run"]["id"]
    await until(lambda: script.prompts)
    cancels = [service.client.post(f"/api/runs/{run_id}/cancel") for _ in range(10)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*cancels))
    assert statuses == [200] * 9 + [202]
    assert [event["type"] for event in await service.events(run_id)].count("run.finished") == 1


async def test_a_run_that_is_cancelled_while_it_ends_ends_once(service: Service, script: Script) -> None:
    for _ in range(20):
        run_id = (await service.start(await service.session(), "1"))["run"]["id"]
        assert (await service.client.post(f"/api/runs/{run_id}/cancel")).status_code in {200, 202}
        events = await service.events(run_id)
        assert [event["type"] for event in events].count("run.finished") == 1
        assert events[-1]["run"] == await service.run(run_id)
        assert events[-1]["run"]["status"] in {"cancelled", "completed"}


async def test_a_busy_session_refuses_a_second_message(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("one"), gate, stop()])
    session_id = await service.session()
    open_ = await service.start(session_id, "1")
    async with streaming(service, f"/api/runs/{open_['run']['id']}/events") as stream:
        await stream.read_units(4)
        for path, body in (
            ("messages", {"content": "2"}),
            ("messages", {"content": "2", "on_busy": "reject", "parent_id": None}),
            ("runs", {"message_id": open_["user_message"]["id"]}),
        ):
            async with nothing_stored(service):
                answer = await service.client.post(f"/api/sessions/{session_id}/{path}", json=body)
            assert problem(answer, 409, "session_busy", "run_id")["run_id"] == open_["run"]["id"]
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["x-should-retry"] == "false"
        gate.set()
        assert (await stream.rest())[-1]["run"]["status"] == "completed"
    assert len(script.prompts) == 1


async def test_of_many_messages_at_once_one_is_accepted(service: Service, script: Script) -> None:
    script.play([asyncio.Event()])
    session_id = await service.session()
    path, headers = f"/api/sessions/{session_id}/messages", {"prefer": "respond-async"}
    posts = [service.client.post(path, json={"content": str(n)}, headers=headers) for n in range(20)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*posts))
    assert statuses == [202] + [409] * 19
    assert await counts(service) == {"sessions": 1, "messages": 2, "runs": 1, "message_files": 0, "run_events": 1}
    session = (await service.client.get(f"/api/sessions/{session_id}")).json()
    assert session["message_count"] == 2


async def test_an_interrupted_run_keeps_its_text_and_the_next_starts(service: Service, script: Script) -> None:
    script.play([say("half a tho"), asyncio.Event()], [say("whole"), stop()])
    session_id = await service.session()
    old = await service.start(session_id, "1")
    async with streaming(service, f"/api/runs/{old['run']['id']}/events") as stream:
        await stream.read_units(11)
        new = await service.send(session_id, "2", on_busy="interrupt")
        finished = (await stream.rest())[-1]
    assert (finished["type"], finished["run"]["status"]) == ("run.finished", "cancelled")
    assert text_of(finished["message"]) == "half a tho"
    assert (new["run"]["number"], new["run"]["status"], text_of(new["message"])) == (2, "completed", "whole")
    assert new["user_message"]["parent_id"] == old["message"]["id"]
    assert finished["run"]["finished_at"] <= new["run"]["created_at"]
    prompt_messages = [(message["role"], message["content"]) for message in script.prompts[1].messages[1:]]
    assert prompt_messages == [("user", "1"), ("assistant", "half a tho"), ("user", "2")]
    await until(lambda: script.closed == 2)


async def test_interrupt_changes_nothing_for_an_idle_session(service: Service, script: Script) -> None:
    answer = await service.send(await service.session(), "1", on_busy="interrupt")
    assert answer["run"]["status"] == "completed"


async def test_a_refused_interruption_interrupts_nothing(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("one"), gate, stop()])
    session_id = await service.session()
    run_id = (await service.start(session_id, "1"))["run"]["id"]
    async with streaming(service, f"/api/runs/{run_id}/events") as stream:
        await stream.read_units(4)
        body = {"content": "2", "on_busy": "interrupt", "parent_id": UNKNOWN}
        async with nothing_stored(service):
            answer = await service.client.post(f"/api/sessions/{session_id}/messages", json=body)
        problem(answer, 422, "invalid_request")
        gate.set()
        assert (await stream.rest())[-1]["run"]["status"] == "completed"


async def test_a_process_limits_its_open_runs(database: str, script: Script) -> None:
    gate = asyncio.Event()
    script.play([gate, stop()], [stop()])
    async with serving(settings(database, max_runs=1), script) as service:
        first, second = await service.session(), await service.session()
        run_id = (await service.start(first, "1"))["run"]["id"]
        async with nothing_stored(service):
            answer = await service.client.post(f"/api/sessions/{second}/messages", json={"content": "2"})
        problem(answer, 429, "too_many_runs")
        assert int(answer.headers["retry-after"]) > 0
        gate.set()
        await service.events(run_id)
        await until(lambda: not service.runtime.tasks)
        assert (await service.send(second, "2"))["run"]["status"] == "completed"


async def test_simultaneous_messages_keep_to_the_limit_of_open_runs(database: str, script: Script) -> None:
    gate = asyncio.Event()
    script.play(*[[gate, stop()]] * 2)
    async with serving(settings(database, max_runs=2), script) as service:
        sessions = [await service.session() for _ in range(8)]
        answers = await asyncio.gather(
            *(
                service.client.post(
                    f"/api/sessions/{session_id}/messages", json={"content": "Hi"}, headers={"prefer": "respond-async"}
                )
                for session_id in sessions
            )
        )
        assert sorted(answer.status_code for answer in answers) == [202] * 2 + [429] * 6
        gate.set()
        await until(lambda: not service.runtime.tasks)
        assert (await service.send(sessions[0], "Again"))["run"]["status"] == "completed"


async def test_a_model_that_fails_in_mid_stream_leaves_its_text(service: Service, script: Script) -> None:
    script.play([say("To g"), ModelUnavailable("the line broke")], [say("across"), stop()])
    session_id = await service.session()
    failed = await service.send(session_id, "why?")
    error = {"code": "model_unavailable", "message": "the line broke", "retryable": True}
    assert (failed["run"]["status"], failed["run"]["error"]) == ("failed", error)
    assert failed["run"]["usage"]["estimated"] is True
    assert (failed["message"]["status"], text_of(failed["message"])) == ("failed", "To g")
    events = await service.events(failed["run"]["id"])
    assert [event["type"] for event in events] == ["run.started", "text.delta", "run.finished"]
    assert (events[-1]["run"], events[-1]["message"]) == (failed["run"], failed["message"])
    history = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()["data"]
    assert history == [failed["user_message"], failed["message"]]
    assert text_of((await service.send(session_id, "again?"))["message"]) == "across"


async def test_an_internal_error_fails_the_run_without_its_cause(service: Service, script: Script) -> None:
    script.play([say("To g"), RuntimeError("a secret")])
    session_id = await service.session()
    failed = await service.send(session_id, "why?")
    assert failed["run"]["status"] == "failed"
    assert (failed["run"]["error"]["code"], failed["run"]["error"]["retryable"]) == ("internal", True)
    assert "a secret" not in str(failed)
    assert text_of(failed["message"]) == "To g"
    assert (await service.send(session_id, "again?"))["run"]["status"] == "completed"
