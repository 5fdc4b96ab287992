"""Several processes on one database: each serves every stream and stops every run, and a dead one is noticed."""

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
from tests.api.streams import PATIENCE, split_units, streaming, text_of, until
from tests.databases import not_plain, only_postgres
from tests.postgres import slot_taken_over
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
    """Stop executing the run without writing anything, as a killed process does."""
    runtime = service.runtime
    buffer = runtime.journal.find(run_id)
    assert buffer is not None
    runtime.tasks[run_id].cancel()
    vars(runtime.journal)["_buffers"].pop(run_id)


async def test_any_process_serves_a_stream(two: Two, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Seen "), gate, say("everywhere."), stop()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.there, f"/api/runs/{run_id}/events") as stream:
        seen = await stream.read_units(6)
        gate.set()
        seen += await stream.rest()
    assert split_units(seen) == split_units(await two.here.events(run_id))
    assert text_of(seen[-1]["message"]) == "Seen everywhere."


async def test_any_process_can_cancel_a_run(two: Two, script: Script) -> None:
    script.play([say("Going on"), asyncio.Event()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.here, f"/api/runs/{run_id}/events") as stream:
        seen = await stream.read_units(9)
        answer = await two.there.client.post(f"/api/runs/{run_id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
        seen += await stream.rest()  # a reader at its owner's sees the end, too
    assert seen[-1]["run"]["status"] == "cancelled"
    await until(lambda: script.closed == 1)
    await until(lambda: not two.here.runtime.tasks)
    assert (await two.here.send(session_id, "And now?"))["run"]["status"] == "completed"


async def test_any_process_can_interrupt_a_run(two: Two, script: Script) -> None:
    script.play([say("Going on"), asyncio.Event()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    answer = await two.there.send(session_id, "Stop that", on_busy="interrupt")
    assert answer["run"]["status"] == "completed"
    assert (await two.here.run(run_id))["status"] == "cancelled"
    await until(lambda: script.closed == 1)


async def test_any_process_can_delete_a_session(two: Two, script: Script) -> None:
    script.play([say("Going on"), asyncio.Event()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.here, f"/api/runs/{run_id}/events") as stream:
        await stream.read_units(9)
        assert (await two.there.client.delete(f"/api/sessions/{session_id}")).status_code == 204
        await stream.rest()
    await until(lambda: script.closed == 1)
    assert two.here.runtime.journal.run_ids == frozenset()


async def test_an_expired_lease_lets_another_process_end_the_run(two: Two, script: Script) -> None:
    script.play([say("Half an ans"), asyncio.Event()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.there, f"/api/runs/{run_id}/events") as stream:
        seen = await stream.read_units(11)
        assert await reap_expired(two.there.runtime) == 0  # it lives
        die(two.here, run_id)
        seen += await stream.rest()
    assert seen[-1]["run"]["status"] == "interrupted"
    assert text_of(seen[-1]["message"]) == "Half an ans"
    assert (await two.there.send(session_id, "Still there?"))["run"]["status"] == "completed"


async def test_a_lease_is_renewed_while_the_model_is_silent(two: Two, script: Script) -> None:
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


async def test_a_worker_that_lost_its_lease_writes_nothing_more(two: Two, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Half"), gate, say(" and half"), stop()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.here, f"/api/runs/{run_id}/events") as stream:
        await stream.read_units(5)

    async def write(tx: Transaction) -> None:
        (lease,) = await store_leases.list_leased(tx)
        await store_sessions.touch(tx, session_id)
        assert await store_leases.break_lease(tx, lease, None)
        assert await end_run(tx, lease.key, "interrupted") is not None

    await two.there.runtime.db.transaction(write)  # without a notification
    gate.set()
    await until(lambda: script.closed == 1)
    events = await two.there.events(run_id)
    assert events[-1]["run"]["status"] == "interrupted"
    assert text_of(events[-1]["message"]) == "Half"


@not_plain
@only_postgres
async def test_the_next_process_in_the_slot_recovers_at_once(database: str, script: Script) -> None:
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
        relay._task.cancel()  # and its connection breaks, as that of a killed process
        relay._connection.terminate()
        await until(relay._connection.is_closed)
        async with serving(settings(database), Script()) as second:
            assert second.runtime.name.split()[0] == first.runtime.name.split()[0]
            assert (await second.run(run_id))["status"] == "interrupted"
            assert (await second.send(session_id, "Go on"))["run"]["status"] == "completed"


@not_plain
@only_postgres
async def test_a_process_that_lost_its_slot_keeps_its_runs(database: str, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Half an ans"), gate, say("wer."), stop()])
    async with serving(settings(database), script) as service:
        session_id = await service.session()
        run_id = (await service.start(session_id, "Hi"))["run"]["id"]
        await until(lambda: script.prompts)
        name = service.runtime.name
        slot = name.split()[0]
        async with slot_taken_over(database, slot):
            await until(lambda: service.runtime.name != name)

            async def owner(tx: Transaction) -> str:
                return (await tx.all("SELECT worker FROM runs WHERE id = $1", run_id))[0][0]

            async with asyncio.timeout(PATIENCE):
                while await service.runtime.db.snapshot(owner) != service.runtime.name:
                    await asyncio.sleep(0.02)
        async with serving(settings(database), Script()) as successor:
            assert successor.runtime.name.split()[0] == slot
            assert (await successor.run(run_id))["status"] == "in_progress"
            gate.set()
            async with streaming(successor, f"/api/runs/{run_id}/events") as stream:
                assert text_of((await stream.rest())[-1]["message"]) == "Half an answer."
