"""Several processes on one database: any serves any stream, any stops any run, and one that died is noticed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest

from chatkeep.db import Transaction
from chatkeep.runs.end import end_run
from chatkeep.runs.reaper import reap_expired
from chatkeep.store import leases as store_leases
from chatkeep.store import sessions as store_sessions
from tests.api.streams import PATIENCE, spelled, streaming, text_of, until
from tests.databases import only_postgres
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

LEASE = 0.9


class Two(NamedTuple):
    """Two services on one database, each with a model of its own."""

    here: Service
    there: Service


@pytest.fixture
async def two(database: str, script: Script) -> AsyncGenerator[Two]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(settings(database, lease=LEASE), script))
        second = await stack.enter_async_context(serving(settings(database, lease=LEASE), Script()))
        yield Two(first, second)


def die(service: Service, run_id: str) -> None:
    """Stop carrying the run without a word, as a process that was killed."""
    worker = service.runtime
    live = worker.journal.find(run_id)
    assert live is not None
    worker.tasks[run_id].cancel()
    vars(worker.journal)["_buffers"].pop(run_id)


async def test_a_stream_is_followed_anywhere(two: Two, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Seen "), gate, say("everywhere."), stop()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.there, f"/api/runs/{run_id}/events") as stream:
        seen = await stream.said(6)
        gate.set()
        seen += await stream.rest()
    assert spelled(seen) == spelled(await two.here.events(run_id))
    assert text_of(seen[-1]["message"]) == "Seen everywhere."


async def test_a_run_is_cancelled_from_anywhere_and_its_model_is_left(two: Two, script: Script) -> None:
    script.play([say("Going on"), asyncio.Event()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.here, f"/api/runs/{run_id}/events") as stream:
        seen = await stream.said(9)
        answer = await two.there.client.post(f"/api/runs/{run_id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
        seen += await stream.rest()  # a reader at its owner's sees the end, too
    assert seen[-1]["run"]["status"] == "cancelled"
    await until(lambda: script.closed == 1)
    await until(lambda: not two.here.runtime.tasks)
    assert (await two.here.send(session_id, "And now?"))["run"]["status"] == "completed"


async def test_a_run_is_interrupted_from_anywhere(two: Two, script: Script) -> None:
    script.play([say("Going on"), asyncio.Event()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    answer = await two.there.send(session_id, "Stop that", on_busy="interrupt")
    assert answer["run"]["status"] == "completed"
    assert (await two.here.run(run_id))["status"] == "cancelled"
    await until(lambda: script.closed == 1)


async def test_a_session_is_deleted_from_anywhere(two: Two, script: Script) -> None:
    script.play([say("Going on"), asyncio.Event()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.here, f"/api/runs/{run_id}/events") as stream:
        await stream.said(9)
        assert (await two.there.client.delete(f"/api/sessions/{session_id}")).status_code == 204
        await stream.rest()
    await until(lambda: script.closed == 1)
    assert two.here.runtime.journal.run_ids == frozenset()


async def test_a_run_whose_process_died_is_closed_by_another_when_its_lease_has_lapsed(
    two: Two, script: Script
) -> None:
    script.play([say("Half an ans"), asyncio.Event()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.there, f"/api/runs/{run_id}/events") as stream:
        seen = await stream.said(11)
        assert await reap_expired(two.there.runtime) == 0  # it lives
        die(two.here, run_id)
        seen += await stream.rest()
    assert seen[-1]["run"]["status"] == "interrupted"
    assert text_of(seen[-1]["message"]) == "Half an ans"
    assert (await two.there.send(session_id, "Still there?"))["run"]["status"] == "completed"


async def test_a_lease_is_renewed_although_the_model_says_nothing(two: Two, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Let me think. "), gate, say("Yes."), stop()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    await until(lambda: script.prompts)
    renewed: set[str] = set()

    async def read(tx: Transaction) -> str:
        rows = await tx.all("SELECT lease_until FROM runs WHERE id = $1", run_id)
        return rows[0][0]

    async with asyncio.timeout(PATIENCE):
        while len(renewed) < 6:
            renewed.add(await two.there.runtime.db.snapshot(read))
            await reap_expired(two.there.runtime)
            await asyncio.sleep(0.02)
    gate.set()
    async with streaming(two.there, f"/api/runs/{run_id}/events") as stream:
        assert (await stream.rest())[-1]["run"]["status"] == "completed"


async def test_one_that_was_taken_for_dead_writes_nothing_more_and_leaves_its_model(two: Two, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Half"), gate, say(" and half"), stop()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.here, f"/api/runs/{run_id}/events") as stream:
        await stream.said(5)

    async def write(tx: Transaction) -> None:
        (carried,) = await store_leases.list_leased(tx)
        await store_sessions.touch(tx, session_id)
        assert await store_leases.break_lease(tx, carried, None)
        assert await end_run(tx, run_id, "interrupted") is not None

    await two.there.runtime.db.transaction(write)  # nobody is told
    gate.set()
    await until(lambda: script.closed == 1)
    events = await two.there.events(run_id)
    assert events[-1]["run"]["status"] == "interrupted"
    assert text_of(events[-1]["message"]) == "Half"


@only_postgres
async def test_the_next_process_of_the_same_place_recovers_at_once(database: str, script: Script) -> None:
    script.play([say("Half an ans"), asyncio.Event()])
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(settings(database), script))
        neighbour = await stack.enter_async_context(serving(settings(database), Script()))
        assert first.runtime.name.split()[0] != neighbour.runtime.name.split()[0]
        session_id = await first.session()
        run_id = (await first.start(session_id, "Hi"))["run"]["id"]
        await until(lambda: script.prompts)
        die(first, run_id)
        relay: Any = first.runtime.notifier.remote
        relay._task.cancel()  # and its connection is gone, as that of a process that was killed
        relay._connection.terminate()
        await until(relay._connection.is_closed)
        async with serving(settings(database), Script()) as second:
            assert second.runtime.name.split()[0] == first.runtime.name.split()[0]
            assert (await second.run(run_id))["status"] == "interrupted"
            assert (await second.send(session_id, "Go on"))["run"]["status"] == "completed"
