"""A long history in one answer: read page by page, and as it was in one snapshot."""

import asyncio
from typing import Any

import pytest

from chatkeep.errors import NotFound
from chatkeep.store import history, sessions
from chatkeep.store.history import PAGE_MESSAGES
from tests.api.shapes import problem
from tests.api.streams import streaming
from tests.api.tables import change_owner
from tests.filled_database import add_session
from tests.script import Script, say, stop
from tests.service import Service
from tests.values import uid

pytestmark = pytest.mark.anyio

SESSION = uid("long")
MESSAGES = f"/api/sessions/{SESSION}/messages"
TURNS = 2 * PAGE_MESSAGES + 7


@pytest.fixture
async def long(service: Service) -> Service:
    await service.runtime.db.transaction(lambda tx: add_session(tx, SESSION, TURNS))
    return service


async def read(service: Service, **params: Any) -> dict[str, Any]:
    answer = await service.client.get(MESSAGES, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def by_pages(service: Service, **params: Any) -> list[dict[str, Any]]:
    page = await read(service, limit=70, **params)
    messages: list[dict[str, Any]] = page["data"]
    while page["next"]:
        page = await read(service, limit=70, **{**params, "before": page["next"]})
        messages = page["data"] + messages
    return messages


@pytest.mark.parametrize("branches", ["active", "all"])
async def test_a_long_history_is_whole(long: Service, branches: str) -> None:
    messages = await by_pages(long, branches=branches)
    assert [each["seq"] for each in messages] == list(range(1, 2 * TURNS + 1))
    assert await read(long, branches=branches) == {"data": messages, "next": None, "position": f"{TURNS}.3"}
    for before in (messages[-1], messages[3 * PAGE_MESSAGES], messages[PAGE_MESSAGES], messages[1], messages[0]):
        page = await read(long, branches=branches, before=before["id"])
        assert page["data"] == messages[: messages.index(before)]
        assert page["next"] is None


async def test_a_long_history_has_only_its_branch(long: Service, script: Script) -> None:
    messages = await by_pages(long)
    edited = await long.send(SESSION, "again", parent_id=messages[2 * PAGE_MESSAGES + 1]["id"])
    active = [*messages[: 2 * PAGE_MESSAGES + 2], edited["user_message"], edited["message"]]
    assert (await read(long))["data"] == active
    assert (await read(long, branches="all"))["data"] == [*messages, *active[-2:]]


@pytest.mark.parametrize("branches", ["active", "all"])
async def test_a_long_history_shows_an_open_answer(long: Service, script: Script, branches: str) -> None:
    gate = asyncio.Event()
    script.play([say("To get"), gate, say(" across."), stop()])
    started = await long.start(SESSION, "why?")
    async with streaming(long, f"/api/runs/{started['run']['id']}/events") as stream:
        await stream.read_units(1 + len("To get"))
        page = await read(long, branches=branches)
        assert page["data"][-1] == started["message"] | {"parts": [{"type": "text", "text": "To get"}]}
        assert page["position"] == f"{TURNS + 1}.{1 + len('To get')}"
        gate.set()
        await stream.rest()


@pytest.mark.parametrize("all_branches", [True, False])
async def test_a_page_is_as_the_snapshot_had_it(long: Service, script: Script, all_branches: bool) -> None:
    db, gate = long.runtime.db, asyncio.Event()
    script.play([say("To get"), gate, say(" across."), stop()])
    started = await long.start(SESSION, "why?")
    async with streaming(long, f"/api/runs/{started['run']['id']}/events") as stream:
        await stream.read_units(1 + len("To get"))
        whole = await db.snapshot(lambda tx: history.get_whole(tx, "local", SESSION, None, all_branches=all_branches))
        gate.set()
        await stream.rest()
    await long.send(SESSION, "and then?")
    pages = [
        await db.snapshot(lambda tx, page=page: history.list_page(tx, "local", whole, page)) for page in whole.pages
    ]
    assert [each.seq for page in pages for each in page] == list(range(1, 2 * TURNS + 3))
    assert pages[-1][-1] == whole.open_message
    assert whole.position == f"{TURNS + 1}.{1 + len('To get')}"
    await db.transaction(lambda tx: sessions.delete_session(tx, "local", SESSION))
    with pytest.raises(NotFound):
        await db.snapshot(lambda tx: history.list_page(tx, "local", whole, whole.pages[0]))


async def test_another_owner_s_long_history_is_not_found(long: Service) -> None:
    await change_owner(long, SESSION)
    problem(await long.client.get(MESSAGES), 404, "not_found")
