"""Every read and write is tried by another owner: the thing is not found, and stays as it is."""

import asyncio
from typing import Any, NamedTuple

import pytest

from tests.api.shapes import UNKNOWN, problem
from tests.api.streams import Event, streaming
from tests.api.tables import change_owner, nothing_stored
from tests.script import Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio


class Theirs(NamedTuple):
    """Another owner's session, with an ended answer and an open one."""

    session_id: str
    ended: dict[str, Any]
    open: dict[str, Any]


@pytest.fixture
def gate() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def theirs(service: Service, script: Script, gate: asyncio.Event) -> Theirs:
    script.play([say("past"), stop()], [say("half"), gate, stop()])
    session_id = await service.session(title="secret")
    ended = await service.send(session_id, "1")
    started = await service.start(session_id, "2")
    async with streaming(service, f"/api/runs/{started['run']['id']}/events") as stream:
        await stream.read_units(5)
    await change_owner(service, session_id)
    return Theirs(session_id, ended, started)


def requests(theirs: Theirs) -> list[tuple[str, str, dict[str, Any]]]:
    """Return every request that names a session, a run or a message in its path."""
    session = f"/api/sessions/{theirs.session_id}"
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", session, {}),
        ("PATCH", session, {"json": {"title": "mine"}}),
        ("PATCH", session, {"json": {}}),
        ("PATCH", session, {"json": {"head_id": theirs.ended["message"]["id"]}}),
        ("DELETE", session, {}),
        ("GET", f"{session}/messages", {}),
        ("GET", f"{session}/messages?branches=all", {}),
        ("GET", f"{session}/messages?before={theirs.ended['message']['id']}", {}),
        ("GET", f"{session}/export", {}),
        ("GET", f"{session}/events", {}),
        ("GET", f"{session}/events?after=0.0", {}),
        ("POST", f"{session}/messages", {"json": {"content": "hello"}}),
        ("POST", f"{session}/messages", {"json": {"content": "hello", "on_busy": "interrupt"}}),
        ("POST", f"{session}/messages", {"json": {"content": "x"}, "headers": {"idempotency-key": "key"}}),
        ("POST", f"{session}/runs", {"json": {"message_id": theirs.ended["user_message"]["id"]}}),
    ]
    for answer in (theirs.ended, theirs.open):
        run = f"/api/runs/{answer['run']['id']}"
        found += [
            ("GET", run, {}),
            ("GET", f"{run}/events", {}),
            ("GET", f"{run}/events?after=999", {}),
            ("POST", f"{run}/cancel", {}),
            ("GET", f"/api/messages/{answer['user_message']['id']}", {}),
            ("GET", f"/api/messages/{answer['message']['id']}", {}),
        ]
    return found


async def test_another_owner_s_things_are_not_found(
    service: Service, script: Script, theirs: Theirs, gate: asyncio.Event
) -> None:
    async with nothing_stored(service):
        for method, path, request in requests(theirs):
            problem(await service.client.request(method, path, **request), 404, "not_found")
    assert script.closed == 1  # their open answer goes on
    gate.set()


async def test_another_owner_s_id_looks_like_a_missing_one(
    service: Service, theirs: Theirs, gate: asyncio.Event
) -> None:
    ids = {theirs.session_id}
    for answer in (theirs.ended, theirs.open):
        ids |= {answer[noun]["id"] for noun in ("run", "user_message", "message")}
    for method, path, request in requests(theirs):
        strange = await service.client.request(method, path, **request)
        missing = await service.client.request(method, without(ids, path), **request)
        assert without(ids | {strange.headers["x-request-id"]}, strange.text) == without(
            {missing.headers["x-request-id"]}, missing.text
        )
    gate.set()


def without(ids: set[str], text: str) -> str:
    """Return `text` with an unknown id in place of all these."""
    for each in ids:
        text = text.replace(each, UNKNOWN)
    return text


async def test_sessions_of_other_owners_are_not_listed(service: Service, theirs: Theirs, gate: asyncio.Event) -> None:
    own = await service.session()
    page = (await service.client.get("/api/sessions")).json()
    assert [session["id"] for session in page["data"]] == [own]
    gate.set()


async def test_ids_of_other_owners_in_a_request_are_invalid(
    service: Service, script: Script, theirs: Theirs, gate: asyncio.Event
) -> None:
    own = await service.session()
    message_id, user_id = theirs.ended["message"]["id"], theirs.ended["user_message"]["id"]
    session = f"/api/sessions/{own}"
    async with nothing_stored(service):
        for method, path, body in (
            ("PATCH", session, {"head_id": message_id}),
            ("POST", f"{session}/messages", {"content": "hello", "parent_id": message_id}),
            ("POST", f"{session}/runs", {"message_id": user_id}),
            ("GET", f"{session}/messages?before={message_id}", None),
            ("GET", f"{session}/messages?before={message_id}&branches=all", None),
        ):
            answer = await service.client.request(method, path, json=body)
            problem(answer, 422, "invalid_request")
        problem(await service.client.post("/api/sessions", json={"id": theirs.session_id}), 409, "id_taken")
    gate.set()


async def test_a_session_stream_closes_when_its_owner_changes(service: Service, script: Script) -> None:
    session_id = await service.session()
    async with streaming(service, f"/api/sessions/{session_id}/events") as stream:
        await service.client.patch(f"/api/sessions/{session_id}", json={"title": "seen"})
        assert (await stream.next())["type"] == "session.updated"
        await change_owner(service, session_id)
        service.runtime.notifier.notify(session_id)
        events: list[Event] = await stream.rest()
    assert [event["type"] for event in events] == ["session.deleted"]
