"""What is no longer kept is removed in small steps, also after a crash. A deleted session is in no read at once."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import LiteralString

import pytest

from chatkeep import clock, ids
from chatkeep.db import Database, Transaction
from chatkeep.runs.loading import open_database
from chatkeep.runs.retention import delete_old_logs, sweep_audit
from chatkeep.store import removal as store_removal
from chatkeep.store import sessions as store_sessions
from tests.deletions import until_gone
from tests.filled_database import add_session
from tests.runs.test_journal import CountingDatabase
from tests.script import Script, say, stop
from tests.service import Service, serving, settings
from tests.values import uid

pytestmark = pytest.mark.anyio

LARGE, OTHER = uid("large"), uid("other")
TURNS = {LARGE: 130, OTHER: 3}
COUNTS: tuple[LiteralString, ...] = (
    "SELECT COUNT(*) FROM run_events WHERE session_key = $1",
    "SELECT COUNT(*) FROM runs WHERE session_key = $1",
    "SELECT COUNT(*) FROM messages WHERE session_key = $1",
    "SELECT COUNT(*) FROM sessions WHERE session_key = $1",
)


async def count_rows(tx: Transaction, session_id: str) -> list[int]:
    """Return how many events, runs, messages and rows of its own the session has."""
    found = [await tx.one(sql, ids.session_key(session_id)) for sql in COUNTS]
    return [row[0] for row in found if row]


def rows_of(turns: int) -> list[int]:
    return [3 * turns, turns, 2 * turns, 1]


@pytest.fixture
async def db(database: str) -> AsyncGenerator[Database]:
    db = await open_database(settings(database))
    for session_id, turns in TURNS.items():
        await db.transaction(partial(add_session, session_id=session_id, turns=turns))
    yield db
    await db.close()


async def test_rows_go_page_by_page_and_others_stay(db: Database) -> None:
    await db.transaction(lambda tx: store_sessions.delete_session(tx, "local", LARGE))
    sums = [sum(rows_of(TURNS[LARGE]))]
    assert sum(await db.snapshot(lambda tx: count_rows(tx, LARGE))) == sums[0]
    while await db.transaction(lambda tx: store_removal.remove_page(tx, LARGE)):
        sums.append(sum(await db.snapshot(lambda tx: count_rows(tx, LARGE))))
    assert [before - after for before, after in pairwise(sums)] == [store_removal.PAGE_ROWS] * 3
    assert await db.snapshot(lambda tx: count_rows(tx, LARGE)) == [0, 0, 0, 0]
    assert await db.snapshot(lambda tx: count_rows(tx, OTHER)) == rows_of(TURNS[OTHER])


async def test_a_session_that_is_not_deleted_loses_nothing(db: Database) -> None:
    assert not await db.transaction(lambda tx: store_removal.remove_page(tx, OTHER))
    await db.transaction(lambda tx: store_sessions.delete_session(tx, "a stranger", OTHER))
    assert not await db.transaction(lambda tx: store_removal.remove_page(tx, OTHER))
    assert await db.snapshot(lambda tx: count_rows(tx, OTHER)) == rows_of(TURNS[OTHER])


async def test_a_removal_that_was_cut_off_goes_on_at_the_start(database: str, db: Database) -> None:
    await db.transaction(lambda tx: store_sessions.delete_session(tx, "local", LARGE))
    assert await db.transaction(lambda tx: store_removal.remove_page(tx, LARGE))
    async with serving(settings(database), Script()):
        await until_gone(db)
    assert await db.snapshot(lambda tx: count_rows(tx, LARGE)) == [0, 0, 0, 0]


async def test_until_it_is_gone_no_read_finds_it_and_its_id_is_taken(service: Service, script: Script) -> None:
    client, db = service.client, service.runtime.db
    script.play([say("Because."), stop()])
    session_id = await service.session()
    turn = await service.send(session_id, "hi")
    assert (await client.get("/api/search", params={"q": "hi"})).json()["data"] != []
    await db.transaction(lambda tx: store_sessions.delete_session(tx, "local", session_id))  # and no pass begins
    assert (await db.snapshot(lambda tx: count_rows(tx, session_id)))[1:] == [1, 2, 1]
    for path in (
        f"sessions/{session_id}",
        f"sessions/{session_id}/messages",
        f"sessions/{session_id}/events",
        f"messages/{turn['message']['id']}",
        f"runs/{turn['run']['id']}",
        f"runs/{turn['run']['id']}/events",
    ):
        assert (await client.get(f"/api/{path}")).status_code == 404, path
    assert (await client.get("/api/sessions")).json()["data"] == []
    assert (await client.get("/api/search", params={"q": "hi"})).json()["data"] == []
    for method, path, body in (
        ("POST", "/messages", {"content": "more"}),
        ("PATCH", "", {"title": "Back"}),
        ("DELETE", "", None),
    ):
        assert (await client.request(method, f"/api/sessions/{session_id}{path}", json=body)).status_code == 404
    taken = await client.post("/api/sessions", json={"id": session_id})
    assert (taken.status_code, taken.json()["code"]) == (409, "id_taken")


async def test_a_session_that_a_client_deletes_is_gone_soon(service: Service) -> None:
    db = service.runtime.db
    session_id = await service.session()
    assert (await service.client.delete(f"/api/sessions/{session_id}")).status_code == 204
    await until_gone(db)
    assert (await service.client.post("/api/sessions", json={"id": session_id})).status_code == 201


async def test_logs_that_are_over_go_ten_a_transaction(service: Service) -> None:
    await service.runtime.db.transaction(partial(add_session, session_id=OTHER, turns=25))
    counting = CountingDatabase(service.runtime.db)
    assert await delete_old_logs(replace(service.runtime, db=counting)) == 25
    assert counting.transactions == 3
    assert await counting.snapshot(lambda tx: count_rows(tx, OTHER)) == [0, *rows_of(25)[1:]]


async def test_old_entries_of_the_audit_are_removed(service: Service) -> None:
    async def add(tx: Transaction, at: str) -> None:
        await tx.run(
            """INSERT INTO audit (id, at, actor, action, object, detail)
               VALUES ($1, $2, 'local', 'user.role', 'x', '{}')""",
            ids.first_at(clock.parse(at)),
            at,
        )

    now = clock.now()
    for days in (399, 401, 500):
        at = clock.add_seconds(now, -86_400 * days)
        await service.runtime.db.transaction(lambda tx, at=at: add(tx, at))
    await sweep_audit(service.runtime)  # the service's own first pass may have removed some of them before
    assert await sweep_audit(service.runtime) == 0
    left = await service.runtime.db.snapshot(lambda tx: tx.all("SELECT at FROM audit"))
    assert left == [(clock.add_seconds(now, -86_400 * 399),)]
