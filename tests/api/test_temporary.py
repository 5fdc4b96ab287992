"""Temporary sessions: in no list and no search, and deleted after a while (docs/http-api.md)."""

from dataclasses import replace

import pytest

from chatkeep.runs.retention import delete_temporary_sessions
from tests.api.shapes import SESSION, problem
from tests.api.tables import contents
from tests.deletions import until_gone
from tests.script import Script, call, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

PICK = {"name": "pick", "description": "Picks.", "parameters": {"type": "object"}}


async def sweep(service: Service, seconds: float = 1e-6) -> None:
    """Delete what was last used more than `seconds` ago."""
    runtime = service.runtime
    settings = runtime.settings.model_copy(update={"temporary_retention": seconds})
    await delete_temporary_sessions(replace(runtime, settings=settings))


async def test_it_stands_in_no_list_and_no_search(service: Service, script: Script) -> None:
    script.play([say("A xyzzy."), stop()], [say("A xyzzy, too."), stop()])
    hidden, shown = await service.session(temporary=True), await service.session()
    answer = await service.send(hidden, "xyzzy?")
    await service.send(shown, "xyzzy!")
    listed = (await service.client.get("/api/sessions")).json()["data"]
    assert [each["id"] for each in listed] == [shown]
    found = (await service.client.get("/api/search", params={"q": "xyzzy"})).json()
    assert {each["session_id"] for each in found["data"]} == {shown}
    session = (await service.client.get(f"/api/sessions/{hidden}")).json()
    assert set(session) == SESSION
    assert (session["temporary"], session["title"], session["message_count"]) == (True, None, 2)
    assert (await service.events(answer["run"]["id"]))[-1]["type"] == "run.finished"


async def test_it_gets_no_title_by_another_answer(service: Service, script: Script) -> None:
    session_id = await service.session(temporary=True)
    sent = await service.send(session_id, "hello")
    again = {"message_id": sent["user_message"]["id"]}
    headers = {"accept": "application/json"}
    await service.client.post(f"/api/sessions/{session_id}/runs", json=again, headers=headers)
    assert (await service.client.get(f"/api/sessions/{session_id}")).json()["title"] is None


async def test_it_is_deleted_after_its_last_use(service: Service, script: Script) -> None:
    temporary, lasting = await service.session(temporary=True), await service.session()
    await service.send(temporary, "hello")
    await sweep(service, 1000)
    assert (await service.client.get(f"/api/sessions/{temporary}")).status_code == 200
    await sweep(service)
    problem(await service.client.get(f"/api/sessions/{temporary}"), 404, "not_found")
    await until_gone(service.runtime.db)
    rows = await contents(service)
    assert (len(rows["sessions"]), rows["messages"], rows["run_events"]) == (1, [], [])
    assert (await service.client.get(f"/api/sessions/{lasting}")).status_code == 200


async def test_one_that_waits_for_its_client_is_kept(service: Service, script: Script) -> None:
    script.play([call("pick", "{}", call_id="c"), stop("tool_calls")], [say("Good."), stop()])
    session_id = await service.session(temporary=True)
    waiting = await service.send(session_id, "pick", tools=[PICK])
    await sweep(service)
    path = f"/api/runs/{waiting['run']['id']}/tool-outputs"
    body = {"outputs": [{"call_id": "c", "output": 1}]}
    done = await service.client.post(path, json=body, headers={"accept": "application/json"})
    assert done.json()["run"]["status"] == "completed"
    await sweep(service)
    problem(await service.client.get(f"/api/sessions/{session_id}"), 404, "not_found")
