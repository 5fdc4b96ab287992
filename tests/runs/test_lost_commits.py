"""PostgreSQL: the answer to a COMMIT is lost, at any point of a turn. The turn takes place once, and is whole."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from chatkeep.chat.event_log import fold
from chatkeep.chat.types import RunKey
from chatkeep.store import events as store_events
from tests.api.streams import text_of
from tests.databases import PLAIN, only_postgres
from tests.proxy import Proxy
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = [pytest.mark.anyio, only_postgres, pytest.mark.parametrize("arrives", [True, False])]

PICK: dict[str, Any] = {"name": "pick", "description": "Pick.", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
async def proxy(database: str) -> AsyncGenerator[Proxy]:
    async with Proxy(database if PLAIN else f"{database}?pgbouncer=true") as proxy:
        yield proxy


@pytest.fixture
async def service(proxy: Proxy, script: Script) -> AsyncGenerator[Service]:
    async with serving(settings(proxy.url), script) as service:
        yield service


@pytest.mark.parametrize("commit", range(4))
async def test_a_turn_takes_place_once(
    service: Service, script: Script, proxy: Proxy, commit: int, arrives: bool
) -> None:
    script.play([say("Half"), say(" and half"), stop()], [say("More."), stop()])
    session_id = await service.session()
    proxy.cut_at(b"COMMIT", arrives=arrives, passing=commit)
    answer = await service.send(session_id, "Hi")
    assert (answer["run"]["status"], text_of(answer["message"])) == ("completed", "Half and half")
    page = (await service.client.get(f"/api/sessions/{session_id}/messages?branches=all")).json()
    assert [each["role"] for each in page["data"]] == ["user", "assistant"]
    assert len(script.prompts) == 1
    log = await service.runtime.db.snapshot(lambda tx: store_events.list_events(tx, RunKey(session_id, 1)))
    assert fold(log).id == answer["message"]["id"]
    assert (await service.send(session_id, "And?"))["run"]["status"] == "completed"


async def test_a_cancel_takes_place_once(service: Service, script: Script, proxy: Proxy, arrives: bool) -> None:
    script.play([call("pick", "{}"), stop("tool_calls")])
    session_id = await service.session()
    run = (await service.send(session_id, "Pick!", tools=[PICK]))["run"]
    assert run["status"] == "requires_action"
    proxy.cut_at(b"COMMIT", arrives=arrives)
    answer = await service.client.post(f"/api/runs/{run['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")


async def test_outputs_resume_a_run_once(service: Service, script: Script, proxy: Proxy, arrives: bool) -> None:
    script.play([call("pick", "{}", call_id="c"), stop("tool_calls")], [say("Thanks."), stop()])
    session_id = await service.session()
    run = (await service.send(session_id, "Pick!", tools=[PICK]))["run"]
    proxy.cut_at(b"COMMIT", arrives=arrives)
    answer = await service.client.post(
        f"/api/runs/{run['id']}/tool-outputs",
        json={"outputs": [{"call_id": "c", "output": 1}]},
        headers={"accept": "application/json"},
    )
    assert (answer.status_code, answer.json()["run"]["status"]) == (200, "completed"), answer.text
    assert len(script.prompts) == 2


async def test_a_session_is_deleted_once(service: Service, proxy: Proxy, arrives: bool) -> None:
    session_id = await service.session()
    proxy.cut_at(b"COMMIT", arrives=arrives)
    assert (await service.client.delete(f"/api/sessions/{session_id}")).status_code == 204
    assert (await service.client.get(f"/api/sessions/{session_id}")).status_code == 404


async def test_a_session_is_made_and_changed_once(service: Service, proxy: Proxy, arrives: bool) -> None:
    proxy.cut_at(b"COMMIT", arrives=arrives)
    made = await service.client.post("/api/sessions", json={"title": "Mine"})
    assert made.status_code in (200, 201)
    proxy.cut_at(b"COMMIT", arrives=arrives)
    changed = await service.client.patch(f"/api/sessions/{made.json()['id']}", json={"title": "Ours"})
    assert (changed.status_code, changed.json()["title"]) == (200, "Ours")
    assert len((await service.client.get("/api/sessions")).json()["data"]) == 1
