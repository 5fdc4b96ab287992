"""Every route of the OpenAPI document, tried as a second user: it shows and changes nothing of the first one's.

A new route is among them by itself. It fails here until its parameters and its body are in the tables below.
"""

import json
import re
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import pytest

from chatkeep.chat.people import COMMAND_LINE
from chatkeep.runs import people
from chatkeep.store import facts as store_facts
from tests.api.shapes import UNKNOWN, problem
from tests.api.tables import contents
from tests.deletions import until_gone
from tests.samples import picture
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings
from tests.sign_in.test_ways_in import PROXY, user

pytestmark = pytest.mark.anyio

SECRET = "xyzzy"
AGUI: dict[str, Any] = {
    "threadId": "{session_id}", "runId": "r", "messages": [{"id": "m", "role": "user", "content": "hello"}],
    "state": {}, "tools": [], "context": [], "forwardedProps": {},
}  # fmt: skip
BODIES: dict[str, Any] = {
    "post /api/sessions": {"id": "{session_id}"},
    "patch /api/sessions/{session_id}": {"title": "mine"},
    "post /api/sessions/{session_id}/messages": {"content": "hello"},
    "post /api/sessions/{session_id}/runs": {"message_id": "{user_message_id}"},
    "post /api/runs/{run_id}/tool-outputs": {"outputs": [{"call_id": "{call_id}", "output": 1}]},
    "post /api/tokens": {"name": "mine"},
    "post /api/files": {"any": "body"},
    "post /api/chat": {
        "id": "{session_id}",
        "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "hello"}]}],
    },
    "post /agui": AGUI,
    "post /agui/{assistant}": AGUI,
    "patch /api/admin/users/{user_id}": {"disabled": False},
    "post /v1/chat/completions/{completion_id}": {"metadata": {"a": "b"}},
    "post /v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "hello"}], "store": False},
    "post /v1/responses": {"input": "hello", "conversation": "conv_{session_id}"},
    "post /v1/responses/input_tokens": {"input": "hello", "conversation": "conv_{session_id}"},
    "post /v1/conversations": {"metadata": {"x": 1}},
    "post /v1/conversations/{conversation_id}": {"metadata": {"x": "mine"}},
    "post /v1/conversations/{conversation_id}/items": {"items": [{"role": "user", "content": "hello"}]},
}
"""Bodies of the routes that take one."""
PUBLIC = {"/healthz", "/readyz", "/metrics"}
CHOSEN_ID = {"/api/sessions", "/api/chat", "/agui", "/agui/{assistant}"}
"""Routes to which a client brings the id of a session."""
REFUSED = {
    "/v1/responses": 404, "/v1/responses/input_tokens": 404, "/v1/responses/compact": 422, "/v1/conversations": 422,
    "/v1/files": 422, "/api/import": 422,
}  # fmt: skip
"""Routes that would make something new of anyone's. Their bodies name something of Ada's, or are wrong."""
NEW_CHAT = {
    "/api/chat/{chat_id}/stream": 204,
    "/api/chat/{chat_id}/stop": 204,
    "/api/chat/{chat_id}/messages": 200,
    "/agui/threads/{thread_id}/messages": 200,
}
"""The answers of doors whose clients ask before they have sent anything: as for a chat that is new, and empty."""
ENDLESS = {"/api/events"}
"""Streams that a request for the whole answer would wait for. See `tests/api/test_session_feed.py`."""
OF_ALL = {"/api/models", "/api/assistants", "/api/assistants/{name}", "/v1/models", "/v1/models/{model}"}
"""Routes that show the same to all users."""


class Ada(NamedTuple):
    """The first user, and ids of everything of theirs, by the names that routes give them."""

    ids: dict[str, str]
    operations: list[tuple[str, str]]

    def request(self, method: str, path: str) -> dict[str, Any]:
        """Return the request of an operation, for Ada's things."""
        body = json.dumps(BODIES.get(f"{method} {path}"))
        params = {"q": SECRET} if path == "/api/search" else {}
        return {"method": method, "url": self.fill(path), "params": params, "json": json.loads(self.fill(body))}

    def fill(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: self.ids[match[1]], text)


@pytest.fixture
async def service(database: str, script: Script) -> AsyncGenerator[Service]:
    async with serving(settings(database, **PROXY, metrics=PROXY["trusted_proxies"]), script) as service:
        yield service


@pytest.fixture(params=[False, True], ids=["lasting", "temporary"])
async def ada(service: Service, script: Script, request: pytest.FixtureRequest) -> Ada:
    """A user with a session whose run waits for their client, a fact, and a token."""
    script.play([call("pick", "{}"), stop("tool_calls")], [say("done"), stop()])
    service.client.headers.update(user("ada"))
    session_id = await service.session(title=SECRET, temporary=request.param)
    tool = {"name": "pick", "description": SECRET, "parameters": {"type": "object"}}
    brought = await service.client.post("/api/files", files={"file": (SECRET, picture())})
    file = {"type": "file", "file_id": brought.json()["id"]}
    sent = await service.send(session_id, [{"type": "text", "text": SECRET}, file], tools=[tool])
    made = (await service.client.post("/api/tokens", json={"name": SECRET})).json()
    user_id = (await service.client.get("/api/me")).json()["id"]
    fact = await service.runtime.db.transaction(lambda tx: add_fact(tx, user_id))
    document = (await service.client.get("/openapi.json")).json()
    del service.client.headers["x-user"]
    ids = {
        "session_id": session_id,
        "run_id": sent["run"]["id"],
        "message_id": sent["message"]["id"],
        "user_message_id": sent["user_message"]["id"],
        "call_id": next(part["call_id"] for part in sent["message"]["parts"] if "call_id" in part),
        "fact_id": fact,
        "file_id": file["file_id"],
        "token_id": made["token"]["id"],
        "user_id": user_id,
        "name": "default",
        "assistant": "default",
        "model": "assistant:default",
        "completion_id": f"chatcmpl-{sent['run']['id']}",
        "chat_id": session_id,
        "thread_id": session_id,
        "response_id": f"resp_{sent['run']['id']}",
        "conversation_id": f"conv_{session_id}",
        "item_id": f"msg_{sent['user_message']['id']}",
    }
    operations = [(method, path) for path, methods in document["paths"].items() for method in methods]
    return Ada(ids, sorted(operations, key=lambda each: each == ("delete", "/api/me")))


async def add_fact(tx: Any, user_id: str) -> str:
    fact = store_facts.Fact(id="01890a5d-ac96-774b-bcce-b302099a8057", text=SECRET, created_at=await tx.now())
    return (await store_facts.add_fact(tx, user_id, fact)).fact.id


@pytest.mark.parametrize("role", ["user", "admin"])
async def test_no_route_shows_or_changes_what_is_another_s(service: Service, ada: Ada, role: Any) -> None:
    bob = (await service.client.get("/api/me", headers=user("bob"))).json()["id"]
    await people.change_user(service.runtime.db, bob, role=role, actor=COMMAND_LINE)
    before = await contents(service)
    assert len(ada.operations) > 25
    for method, path in ada.operations:
        if path in ENDLESS:
            continue
        answer = await service.client.request(**ada.request(method, path), headers=user("bob"))
        where = f"{method} {path}: {answer.status_code} {answer.text}"
        assert SECRET not in answer.text, where
        assert path in NEW_CHAT or "event-stream" not in answer.headers.get("content-type", ""), where
        if method == "post" and path in CHOSEN_ID:
            assert answer.status_code == 409, where  # ids of others are taken, and nothing else is said
        elif method == "post" and path in REFUSED:
            assert answer.status_code == REFUSED[path], where
        elif "{" in path and path not in OF_ALL:
            assert answer.status_code == (200 if role == "admin" and "admin" in path else expected(path)), where
        elif "admin" not in path:
            assert answer.status_code < 300, where
    await until_gone(service.runtime.db)  # what Bob has made is deleted with him
    assert await contents(service) == before
    assert (await service.client.get("/api/me", headers=user("ada"))).json()["id"] == ada.ids["user_id"]
    assert len((await service.client.get("/api/tokens", headers=user("ada"))).json()["data"]) == 1
    assert len((await service.client.get("/api/facts", headers=user("ada"))).json()["data"]) == 1


async def test_a_file_of_another_is_not_found_in_a_message(service: Service, ada: Ada) -> None:
    service.client.headers.update(user("bob"))
    session_id = await service.session()
    before = await contents(service)
    for file_id in (ada.ids["file_id"], UNKNOWN):
        body = {"content": [{"type": "file", "file_id": file_id}]}
        problem(await service.client.post(f"/api/sessions/{session_id}/messages", json=body), 404, "not_found")
    assert await contents(service) == before


def expected(path: str) -> int:
    if "chat_id" in path or "thread_id" in path:
        return NEW_CHAT.get(path, 404)
    return 403 if "admin" in path else 404


async def test_no_route_answers_one_who_has_not_signed_in(service: Service, ada: Ada) -> None:
    before = await contents(service)
    for method, path in ada.operations:
        if path not in PUBLIC:
            answer = await service.client.request(**ada.request(method, path))
            assert answer.status_code == 401, f"{method} {path}: {answer.text}"
    assert await contents(service) == before


async def test_each_route_answers_its_owner(service: Service, ada: Ada) -> None:
    """So the requests of this file are right, and refused to Bob because of who he is."""
    session = await service.client.get(f"/api/sessions/{ada.ids['session_id']}", headers=user("ada"))
    is_temporary = session.json()["temporary"]
    for method, path in ada.operations:
        if method == "get" and "admin" not in path:
            is_stored = not is_temporary or not re.search(r"completion_id|session_id}/export", path)
            async with service.client.stream(**ada.request(method, path), headers=user("ada")) as answer:
                assert answer.status_code == (200 if is_stored else 404), path
    calls = ("post", "/api/runs/{run_id}/tool-outputs")
    for method, path in (calls, ("patch", "/api/sessions/{session_id}"), ("delete", "/api/facts/{fact_id}")):
        assert (await service.client.request(**ada.request(method, path), headers=user("ada"))).status_code < 300
    receipt = await service.client.delete("/api/me", headers=user("ada"))
    receipt_of = {"sessions": 1, "messages": 2, "facts": 0, "tokens": 1, "sign_ins": 0, "usage_days": 1, "files": 1}
    assert receipt.json() == receipt_of
    await until_gone(service.runtime.db)
    assert (await contents(service))["sessions"] == []
    again = (await service.client.get("/api/me", headers=user("ada"))).json()
    assert again["id"] != ada.ids["user_id"]  # a new user, who has nothing
