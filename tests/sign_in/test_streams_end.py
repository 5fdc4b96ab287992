"""Streams end when their caller's way in does: on this process, and on another one on the same database."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

from chatkeep.chat.people import COMMAND_LINE
from chatkeep.runs import people
from tests.script import Script, say
from tests.service import Service, serving, settings
from tests.sign_in.test_ways_in import PROXY, bearer, user

pytestmark = pytest.mark.anyio


@pytest.fixture
async def two(database: str, script: Script) -> AsyncGenerator[tuple[Service, Service]]:
    async with (
        serving(settings(database, **PROXY), script) as one,
        serving(settings(database, **PROXY), script) as other,
    ):
        yield one, other


async def closed(service: Service, path: str, headers: dict[str, Any], opened: asyncio.Event) -> None:
    """Read a stream until it is closed, in whichever way."""
    try:
        async with service.client.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200
            opened.set()
            async for _ in answer.aiter_bytes():
                pass
    except httpx2.RemoteProtocolError:
        return  # cut off in the middle


async def revoke(service: Service, token_id: str, user_id: str) -> None:
    del user_id
    answer = await service.client.delete(f"/api/tokens/{token_id}", headers=user("ada"))
    assert answer.status_code == 204


async def revoke_by_command(service: Service, token_id: str, user_id: str) -> None:
    del user_id
    assert await people.revoke_token(service.runtime.db, None, token_id, actor=COMMAND_LINE)


async def disable(service: Service, token_id: str, user_id: str) -> None:
    del token_id
    await people.change_user(service.runtime.db, user_id, disabled=True, actor=COMMAND_LINE)


@pytest.mark.parametrize("end", [revoke, revoke_by_command, disable])
async def test_streams_of_a_void_token_end_everywhere(
    two: tuple[Service, Service], script: Script, end: Callable[[Service, str, str], Awaitable[None]]
) -> None:
    one, _ = two
    script.play([say("Half"), asyncio.Event()])
    made = (await one.client.post("/api/tokens", json={"name": "t"}, headers=user("ada"))).json()
    token = bearer(made["text"])
    user_id = (await one.client.get("/api/me", headers=token)).json()["id"]
    session_id = (await one.client.post("/api/sessions", headers=token)).json()["id"]
    headers = {**token, "prefer": "respond-async"}
    started = await one.client.post(f"/api/sessions/{session_id}/messages", json={"content": "x"}, headers=headers)
    run_id = started.json()["run"]["id"]
    paths = (f"/api/sessions/{session_id}/events", f"/api/runs/{run_id}/events")
    tasks: list[asyncio.Task[None]] = []
    for each in two:
        for path in paths:
            opened = asyncio.Event()
            tasks.append(asyncio.create_task(closed(each, path, token, opened)))
            await opened.wait()
    await end(one, made["token"]["id"], user_id)
    await asyncio.gather(*tasks)
    assert one.runtime.tasks  # the answer itself goes on


async def test_streams_of_others_go_on(two: tuple[Service, Service]) -> None:
    one, _ = two
    ids: dict[str, str] = {}
    tasks: dict[str, asyncio.Task[None]] = {}
    for name in ("ada", "bob"):
        ids[name] = (await one.client.get("/api/me", headers=user(name))).json()["id"]
        session = (await one.client.post("/api/sessions", headers=user(name))).json()["id"]
        opened = asyncio.Event()
        path = f"/api/sessions/{session}/events"
        tasks[name] = asyncio.create_task(closed(one, path, user(name), opened))
        await opened.wait()
    await disable(one, "", ids["ada"])
    await tasks["ada"]
    assert not tasks["bob"].done()
    tasks["bob"].cancel()
