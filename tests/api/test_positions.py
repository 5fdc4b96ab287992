"""Positions from which a reader resumes, and the refusals of invalid ones (docs/events.md)."""

import asyncio
from typing import Any

import pytest

from tests.api.shapes import problem
from tests.api.streams import split_units, streaming
from tests.api.tables import expire_logs
from tests.script import Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

NO_POSITIONS = ["", " ", "x", "-1", "+1", "1.0", "1.5", "1e3", "0x1", "1_0", "٣", "²", "null", "1,2"]


async def test_a_position_that_is_no_number_is_refused(
    service: Service, script: Script, subtests: pytest.Subtests
) -> None:
    script.play([stop()], [asyncio.Event()])
    session_id = await service.session()
    ended = (await service.send(session_id, "1"))["run"]["id"]
    open_ = (await service.start(session_id, "2"))["run"]["id"]
    for position in NO_POSITIONS:
        with subtests.test(position=position):
            for run_id in (ended, open_):
                answer = await service.client.get(f"/api/runs/{run_id}/events", params={"after": position})
                problem(answer, 400, "bad_position")
                if position.strip():
                    headers = [(b"last-event-id", position.encode())]
                    answer = await service.client.get(f"/api/runs/{run_id}/events?after=0", headers=headers)
                    problem(answer, 400, "bad_position")


async def test_at_or_beyond_the_end_of_an_ended_run_is_204(service: Service, script: Script) -> None:
    run = (await service.send(await service.session(), "1"))["run"]
    path = f"/api/runs/{run['id']}/events"
    for position in (run["position"], run["position"] + 1, 10**9, 10**30):
        for answer in (
            await service.client.get(path, params={"after": position}),
            await service.client.get(path, headers={"last-event-id": str(position)}),
        ):
            assert (answer.status_code, answer.content) == (204, b""), position
    events = await service.events(run["id"], run["position"] - 1)
    assert [event["type"] for event in events] == ["run.finished"]


async def test_a_reader_at_the_end_of_an_open_run_stays(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("half"), gate, stop()])
    run_id = (await service.start(await service.session(), "1"))["run"]["id"]
    path = f"/api/runs/{run_id}/events"
    async with streaming(service, path) as stream:
        await stream.read_units(5)
    async with streaming(service, path, params={"after": 5}) as stream:
        gate.set()
        assert [event["type"] for event in await stream.rest()] == ["run.finished"]


async def test_beyond_the_end_of_an_open_run_is_refused(
    service: Service, script: Script, subtests: pytest.Subtests
) -> None:
    for position in [6, 7, 10**9, 10**30]:
        with subtests.test(position=position):
            script.play([say("half"), asyncio.Event()])
            run_id = (await service.start(await service.session(), "1"))["run"]["id"]
            path = f"/api/runs/{run_id}/events"
            async with streaming(service, path) as stream:
                await stream.read_units(5)
                problem(await service.client.get(path, params={"after": position}), 400, "bad_position")
                headers = {"last-event-id": str(position)}
                problem(await service.client.get(path, headers=headers), 400, "bad_position")


async def test_the_header_wins_over_the_query(service: Service, script: Script) -> None:
    script.play([say("across"), stop()])
    run_id = (await service.send(await service.session(), "1"))["run"]["id"]
    whole = split_units(await service.events(run_id))
    path = f"/api/runs/{run_id}/events"
    for after in ("0", "5", "999", "nonsense"):
        request: dict[str, Any] = {"params": {"after": after}, "headers": {"last-event-id": "3"}}
        async with streaming(service, path, **request) as stream:
            assert split_units(await stream.rest()) == whole[3:]


async def test_leading_zeros_of_a_position_are_accepted(service: Service, script: Script) -> None:
    script.play([say("across"), stop()])
    run_id = (await service.send(await service.session(), "1"))["run"]["id"]
    whole = split_units(await service.events(run_id))
    for written in ("3", "03", "0" * 30 + "3"):
        async with streaming(service, f"/api/runs/{run_id}/events", params={"after": written}) as stream:
            assert split_units(await stream.rest()) == whole[3:], written


async def test_an_expired_log_is_gone_and_its_message_stays(service: Service, script: Script) -> None:
    script.play([say("across"), stop()], [say("open"), asyncio.Event()])
    session_id = await service.session()
    answer = await service.send(session_id, "1")
    open_ = (await service.start(session_id, "2"))["run"]["id"]
    assert await expire_logs(service) == 1
    run, path = answer["run"], f"/api/runs/{answer['run']['id']}/events"
    for position in range(run["position"]):
        expired = await service.client.get(path, params={"after": position})
        assert problem(expired, 410, "events_expired", "message_id")["message_id"] == answer["message"]["id"]
    assert (await service.client.get(path, params={"after": run["position"]})).status_code == 204
    problem(await service.client.get(path, params={"after": "x"}), 400, "bad_position")
    assert await service.run(run["id"]) == run
    assert (await service.client.get(f"/api/messages/{run['message_id']}")).json() == answer["message"]
    async with streaming(service, f"/api/runs/{open_}/events") as stream:
        assert (await stream.read_units(5))[0]["type"] == "run.started"  # an open run's log is always kept
