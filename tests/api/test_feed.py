"""The session stream: all runs of a session on one stream (docs/events.md)."""

import asyncio
from typing import Any

import httpx2
import pytest

from tests.api.shapes import SESSION, problem
from tests.api.streams import Event, Stream, split_units, streaming
from tests.api.tables import expire_logs
from tests.script import Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

NO_PLACES = [
    "", "1", "1.", ".1", ".", "a.b", "1.2.3", "-1.0", "1.-1", "+1.0", "1.0 ", "٣.0", "1,0", "1.9999", "2.0", "9.9",
]  # fmt: skip


async def finishes(stream: Stream, runs: int) -> list[Event]:
    """Return the events until so many runs have finished, without session events."""
    events: list[Event] = []
    for _ in range(runs):
        events += await stream.until("run.finished")
    return [event for event in events if not event["type"].startswith("session.")]


async def log_of(service: Service, *answers: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the units that a session stream should have of these runs, each with its run."""
    return [
        (answer["run"]["id"], *unit)
        for answer in answers
        for unit in split_units(await service.events(answer["run"]["id"]))
    ]


def tagged(events: list[Event]) -> list[tuple[Any, ...]]:
    """Return a session stream's events as units, each with its run."""
    units: list[tuple[Any, ...]] = []
    for event in events:
        bare = {name: value for name, value in event.items() if name != "run_id"}
        units += [(event["run_id"], *unit) for unit in split_units([bare])]
    return units


async def test_a_session_stream_shows_all_runs_of_all_clients(service: Service, script: Script) -> None:
    script.play([say("across"), stop()], [say("there 🐔"), stop()])
    session_id = await service.session()
    async with streaming(service, f"/api/sessions/{session_id}/events") as stream:
        first = await service.send(session_id, "1")
        async with httpx2.AsyncClient(base_url=service.url, trust_env=False) as other:
            path = f"/api/sessions/{session_id}/messages"
            second = (await other.post(path, json={"content": "2"}, headers={"accept": "application/json"})).json()
        events = await finishes(stream, 2)
    assert tagged(events) == await log_of(service, first, second)
    for event in events:
        number = {first["run"]["id"]: 1, second["run"]["id"]: 2}[event["run_id"]]
        assert event["id"] == f"{number}.{event['position']}"


async def test_a_session_stream_resumes_from_every_position(service: Service, script: Script) -> None:
    script.play([say("ab🐔"), stop()], [say("cd"), stop()], [say("ef"), stop()])
    session_id = await service.session()
    path = f"/api/sessions/{session_id}/events"
    answers = [await service.send(session_id, str(n)) for n in range(3)]
    whole = await log_of(service, *answers)
    ends = [(number, answer["run"]["position"]) for number, answer in enumerate(answers, 1)]
    places = [(0, 0), *((number, position) for number, end in ends for position in range(end + 1))]
    for place in places:
        seen = sum(min(end, place[1]) if number == place[0] else end for number, end in ends if number <= place[0])
        async with streaming(service, path, params={"after": "{}.{}".format(*place)}) as stream:
            events = await finishes(stream, sum(end > place for end in ends))
        assert tagged(events) == whole[seen:], place


async def test_the_header_wins_over_the_query(service: Service, script: Script) -> None:
    script.play([say("across"), stop()])
    session_id = await service.session()
    answer = await service.send(session_id, "1")
    whole = await log_of(service, answer)
    for after in ("0.0", "1.6", "9.9", "nonsense"):
        request: dict[str, Any] = {"params": {"after": after}, "headers": {"last-event-id": "1.3"}}
        async with streaming(service, f"/api/sessions/{session_id}/events", **request) as stream:
            assert tagged(await finishes(stream, 1)) == whole[3:]


async def test_without_a_position_a_session_stream_begins_now(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("past"), stop()], [say("half"), gate, say(" and half"), stop()])
    session_id = await service.session()
    await service.send(session_id, "1")
    started = await service.start(session_id, "2")
    async with streaming(service, f"/api/runs/{started['run']['id']}/events") as run:
        await run.read_units(5)
        async with streaming(service, f"/api/sessions/{session_id}/events") as stream:
            gate.set()
            events = await finishes(stream, 1)
    assert tagged(events) == (await log_of(service, started))[5:]


async def test_the_history_gives_the_position_to_stream_from(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("past"), stop()], [say("half"), gate, say(" and half"), stop()])
    session_id = await service.session()
    await service.send(session_id, "1")
    started = await service.start(session_id, "2")
    async with streaming(service, f"/api/runs/{started['run']['id']}/events") as run:
        await run.read_units(5)
        page = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()
    gate.set()
    async with streaming(service, f"/api/sessions/{session_id}/events?after={page['position']}") as stream:
        events = await finishes(stream, 1)
    assert "".join(event["text"] for event in events if event["type"] == "text.delta") == " and half"


async def test_a_change_between_runs_is_sent_without_a_position(service: Service, script: Script) -> None:
    session_id = await service.session()
    async with streaming(service, f"/api/sessions/{session_id}/events") as stream:
        changed = await service.client.patch(f"/api/sessions/{session_id}", json={"title": "first"})
        event = await stream.next()
        assert set(event) == {"id", "type", "session"}
        assert (event["id"], event["type"], event["session"]) == (None, "session.updated", changed.json())
        assert set(event["session"]) == SESSION
        await service.send(session_id, "1")
        await stream.until("run.finished")
        await service.client.patch(f"/api/sessions/{session_id}", json={"title": "second"})
        titles = [(await stream.next())["session"]["title"]]
        while titles[-1] != "second":
            titles.append((await stream.next())["session"]["title"])


async def test_a_change_during_a_run_is_sent_after_it(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("half"), gate, stop()])
    session_id = await service.session()
    await service.start(session_id, "1")
    async with streaming(service, f"/api/sessions/{session_id}/events?after=1.0") as stream:
        await stream.until("text.delta")
        await service.client.patch(f"/api/sessions/{session_id}", json={"title": "meanwhile"})
        gate.set()
        await stream.until("run.finished")
        event = await stream.next()
    assert (event["type"], event["session"]["title"], event["session"]["status"]) == (
        "session.updated",
        "meanwhile",
        "idle",
    )


async def test_the_stream_of_a_deleted_session_says_so_and_closes(service: Service, script: Script) -> None:
    session_id = await service.session()
    async with streaming(service, f"/api/sessions/{session_id}/events") as stream:
        assert (await service.client.delete(f"/api/sessions/{session_id}")).status_code == 204
        events = await stream.rest()
    assert [(event["id"], event["type"]) for event in events] == [(None, "session.deleted")]


async def test_deleting_a_session_in_mid_run_ends_the_run_first(service: Service, script: Script) -> None:
    script.play([say("half"), asyncio.Event()])
    session_id = await service.session()
    await service.start(session_id, "1")
    async with streaming(service, f"/api/sessions/{session_id}/events?after=0.0") as stream:
        await stream.until("text.delta")
        assert (await service.client.delete(f"/api/sessions/{session_id}")).status_code == 204
        events = await stream.rest()
    assert [event["type"] for event in events] == ["run.finished", "session.deleted"]
    assert events[0]["run"]["status"] == "cancelled"


async def test_a_session_stream_has_no_end(service: Service, script: Script) -> None:
    session_id = await service.session()
    path = f"/api/sessions/{session_id}/events"
    places = ["0.0"]
    for _ in range(2):
        run = (await service.send(session_id, "1"))["run"]
        places.append(f"{run['number']}.{run['position']}")
        async with streaming(service, path, params={"after": places[-1]}) as stream:
            assert stream.answer.status_code == 200
            await service.client.patch(f"/api/sessions/{session_id}", json={"title": places[-1]})
            assert (await stream.next())["type"] == "session.updated"


async def test_a_position_that_does_not_exist_is_refused(
    service: Service, script: Script, subtests: pytest.Subtests
) -> None:
    session_id = await service.session()
    await service.send(session_id, "1")
    path = f"/api/sessions/{session_id}/events"
    for place in NO_PLACES:
        with subtests.test(place=place):
            problem(await service.client.get(path, params={"after": place}), 400, "bad_position")
            if place.strip() == place and place:
                headers = [(b"last-event-id", place.encode())]
                problem(await service.client.get(path, headers=headers), 400, "bad_position")


async def test_a_position_in_an_expired_log_is_gone(service: Service, script: Script) -> None:
    session_id = await service.session()
    path = f"/api/sessions/{session_id}/events"
    runs = [(await service.send(session_id, text))["run"] for text in ("1", "2")]
    assert await expire_logs(service) == 2
    first, second = (run["position"] for run in runs)
    for place in ("0.0", "1.0", "1.3", f"1.{first}", "2.0", f"2.{second - 1}"):
        answer = await service.client.get(path, params={"after": place})
        assert (answer.status_code, answer.json()["code"]) == (410, "events_expired"), place
        assert answer.headers["content-type"] == "application/problem+json"
    async with streaming(service, path) as now, streaming(service, path, params={"after": f"2.{second}"}) as after:
        third = await service.send(session_id, "3")
        expected = await log_of(service, third)
        assert tagged(await finishes(now, 1)) == expected
        assert tagged(await finishes(after, 1)) == expected
