"""`GET /api/events`: the feed of the owner's sessions (docs/events.md)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from chatkeep import ids
from chatkeep.chat.people import LOCAL_USER
from chatkeep.chat.types import Session
from chatkeep.db import Transaction
from chatkeep.runs.startup import drain
from chatkeep.store import sessions as store_sessions
from tests.api.streams import PATIENCE, streaming
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

FEED = "/api/events"
CHANGED = {"type": "sessions.changed", "id": None}


async def test_each_change_of_the_list_is_announced(service: Service, script: Script) -> None:
    script.play([say("hi"), stop()])
    async with asyncio.timeout(PATIENCE), streaming(service, FEED) as feed:
        assert await feed.next() == CHANGED
        session_id = await service.session()
        assert await feed.next() == CHANGED
        path = f"/api/sessions/{session_id}"
        await service.client.patch(path, json={"title": "new"})
        assert await feed.next() == CHANGED
        await service.client.delete(path)
        assert await feed.next() == CHANGED


async def test_begin_and_end_of_an_answer_are_announced(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("half"), gate, stop()])
    session_id = await service.session()
    async with asyncio.timeout(PATIENCE), streaming(service, FEED) as feed:
        await feed.next()
        run_id = (await service.start(session_id, "1"))["run"]["id"]
        await feed.next()
        assert (await service.client.get(f"/api/sessions/{session_id}")).json()["status"] == "busy"
        gate.set()
        await feed.next()
        assert (await service.run(run_id))["status"] == "completed"
        script.play([say("half"), asyncio.Event()])
        run_id = (await service.start(session_id, "2"))["run"]["id"]
        await feed.next()
        await service.client.post(f"/api/runs/{run_id}/cancel")
        await feed.next()


async def test_many_changes_at_once_are_one_event(service: Service) -> None:
    async with asyncio.timeout(PATIENCE), service.client.stream("GET", FEED) as answer:
        lines = answer.aiter_lines()
        await until(lines, "data: ")
        for _ in range(20):
            service.runtime.notify_session(ids.new(), LOCAL_USER)
        await until(lines, "data: ")
        draining = asyncio.create_task(drain(service.runtime, PATIENCE))
        assert [line async for line in lines if line.startswith("data: ")] == []
        await draining


async def test_changes_of_others_are_not_announced(database: str, script: Script) -> None:
    async with serving(settings(database, ping_interval=0.02), script) as service:
        async with asyncio.timeout(PATIENCE), service.client.stream("GET", FEED) as answer:
            lines = answer.aiter_lines()
            await until(lines, "data: ")
            service.runtime.notify_session(ids.new(), "another user")
            seen = [await until(lines, "") for _ in range(3)]
        assert seen == [": ping"] * 3


async def test_a_change_whose_notification_was_lost(database: str, script: Script) -> None:
    async with serving(settings(database, ping_interval=0.02), script) as service:
        session_id = await service.session()

        async def change(tx: Transaction) -> None:
            current: Session = await store_sessions.get_session(tx, LOCAL_USER, session_id)
            await store_sessions.change_session(tx, LOCAL_USER, replace(current, title="in silence"))

        async with asyncio.timeout(PATIENCE), service.client.stream("GET", FEED) as answer:
            lines = answer.aiter_lines()
            await until(lines, "data: ")
            await until(lines, ": ping")
            await service.runtime.db.transaction(change)
            await until(lines, "data: ")


async def until(lines: AsyncIterator[str], beginning: str) -> str:
    """Return the next line that is not empty and begins like this."""
    async for line in lines:
        if line and line.startswith(beginning):
            return line
    raise AssertionError("the stream ended")
