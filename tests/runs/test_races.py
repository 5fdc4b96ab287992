"""Two simultaneous transactions on PostgreSQL, where they run side by side: one waits for the other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chatkeep.chat.people import LOCAL_USER
from chatkeep.chat.types import RunKey
from chatkeep.db import Transaction
from chatkeep.store import sessions as store_sessions
from chatkeep.store import waiting as store_waiting
from chatkeep.store.leases import Lease
from tests.api.shapes import problem
from tests.databases import only_postgres
from tests.script import Script, call, stop
from tests.service import Service
from tests.values import TIME

pytestmark = [pytest.mark.anyio, only_postgres]

PICK: dict[str, Any] = {"name": "pick", "description": "Pick.", "parameters": {"type": "object", "properties": {}}}


async def meanwhile(service: Service, first: Callable[[Transaction], Awaitable[Any]], second: Awaitable[Any]) -> Any:
    """Return the result of `second`, which starts after `first` has written and before it is committed."""

    async def do(tx: Transaction) -> asyncio.Task[Any]:
        await first(tx)
        other = asyncio.ensure_future(second)
        while not other.done():
            row = await tx.one("SELECT COUNT(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            assert row is not None
            if row[0]:
                return other
            await asyncio.sleep(0.005)
        return other

    return await (await service.runtime.db.transaction(do))


async def test_changing_a_session_undoes_no_message_being_sent(service: Service) -> None:
    session_id = await service.session()
    head = (await service.send(session_id, "First."))["message"]["id"]
    before = (await service.send(session_id, "Second."))["message"]["id"]

    async def move(tx: Transaction) -> None:
        await store_sessions.reserve(tx, LOCAL_USER, session_id, 0)
        await store_sessions.set_head(tx, session_id, head, None)

    change = service.client.patch(f"/api/sessions/{session_id}", json={"title": "Mine"})
    session = (await meanwhile(service, move, change)).json()
    assert (session["title"], session["head_id"]) == ("Mine", head)
    assert before != head


async def test_a_message_does_not_cancel_a_run_that_resumes(service: Service, script: Script) -> None:
    script.play([call("pick", "{}"), stop("tool_calls")])
    run = (await service.send(await service.session(), "Pick!", tools=[PICK]))["run"]

    async def go_on(tx: Transaction) -> None:
        key = RunKey(run["session_id"], run["number"])
        assert await store_waiting.lock_waiting(tx, key) is not None
        await store_waiting.set_in_progress(tx, key, run["position"], Lease("another worker", TIME))

    send = service.client.post(f"/api/sessions/{run['session_id']}/messages", json={"content": "Hi"})
    problem(await meanwhile(service, go_on, send), 409, "session_busy", "run_id")
    assert (await service.run(run["id"]))["status"] == "in_progress"
