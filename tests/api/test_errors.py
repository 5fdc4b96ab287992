"""Refusals: every error code of docs/http-api.md, and invalid bodies. A refused request stores nothing."""

import asyncio
import json

import pytest

from chatkeep.db import Transaction
from tests.api.shapes import PROBLEM, UNKNOWN, invalid, problem
from tests.api.tables import expire_logs, nothing_stored
from tests.script import Script, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

AS_JSON = {"content-type": "application/json"}

MALFORMED = {
    "nothing": b"",
    "no JSON": b"{content: why?}",
    "cut off": b'{"content": "why?"',
    "two values": b'{"content": "why?"} {}',
    "invalid UTF-8": b'{"content": "\xff\xfe"}',
    "an overlong sequence": b'{"content": "\xc0\xaf"}',
    "a raw NUL": b'{"content": "\x00"}',
    "a raw newline": b'{"content": "\n"}',
    "UTF-16": '{"content": "why?"}'.encode("utf-16"),
    "a form": b"content=why",
    "NaN": b'{"content": NaN}',
    "a number of 5000 digits": b'{"content": ' + b"9" * 5000 + b"}",
    "an infinite number": b'{"content": 1e999}',
    "an unknown field that is half a pair": b'{"content": "why?", "\\ud800": 1}',
    "an unknown field with a NUL": b'{"content": "why?", "\\u0000": 1}',
    "half a pair as an id": b'{"content": "why?", "parent_id": "\\ud800"}',
    "half a pair as a choice": b'{"content": "why?", "on_busy": "\\ud800"}',
}


async def test_a_body_that_is_no_request_is_refused(
    service: Service, script: Script, subtests: pytest.Subtests
) -> None:
    for name, body in MALFORMED.items():
        with subtests.test(name):
            session_id = await service.session()
            path = f"/api/sessions/{session_id}/messages"
            async with nothing_stored(service):
                answer = await service.client.post(path, content=body, headers=AS_JSON)
            assert answer.status_code == 422, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert set(answer.json()) >= PROBLEM
            assert answer.json()["code"] == "invalid_request"
            assert not script.prompts


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/messages", '{"content": %s}'),
        ("POST", "/messages", '{"content": "why?", "model": %s}'),
        ("POST", "/messages", "%s"),
        ("PATCH", "", '{"metadata": {"k": %s}}'),
    ],
    ids=["content", "model", "the body", "metadata"],
)
async def test_deep_json_is_refused_however_deep(service: Service, method: str, path: str, body: str) -> None:
    session_id = await service.session()
    async with nothing_stored(service):
        for depth in (10, 100, 200, 300, 400, 450, 480, 500, 700, 900, 950, 990, 2_000, 100_000):
            for opening, closing in (("[", "]"), ('{"k":', "}")):
                deep = body % (opening * depth + "0" + closing * depth)
                url = f"/api/sessions/{session_id}{path}"
                answer = await service.client.request(method, url, content=deep, headers=AS_JSON)
                assert answer.status_code == 422, (depth, answer.text)
                assert answer.json()["code"] == "invalid_request"


async def test_a_lone_surrogate_in_utf_8_is_refused_or_replaced(service: Service) -> None:
    """It is invalid UTF-8. A JSON parser may accept it, but it must not reach the database."""
    answer = await service.client.post("/api/sessions", content=b'{"title": "\xed\xa0\x80"}', headers=AS_JSON)
    assert answer.status_code == 422 or answer.json()["title"] == "\ufffd"


async def test_every_unknown_field_is_named(service: Service) -> None:
    session_id = await service.session()
    body = {"content": "why?", "contents": 1, "stream": True}
    errors = invalid(await service.client.post(f"/api/sessions/{session_id}/messages", json=body))
    assert [error["loc"] for error in errors] == [["body", "contents"], ["body", "stream"]]


async def test_an_error_does_not_repeat_the_request(service: Service) -> None:
    session_id = await service.session()
    body = {"content": ["my secret"], "parent_id": "my secret", "on_busy": "my secret"}
    answer = await service.client.post(f"/api/sessions/{session_id}/messages", json=body)
    assert len(invalid(answer)) == 3
    assert "my secret" not in answer.text


async def test_an_unknown_path_is_not_found(service: Service, subtests: pytest.Subtests) -> None:
    for path in ["/nothing", "/api", "/api/nothing", "/api/runs", "/api/messages", "/%ff", "//"]:
        with subtests.test(path=path):
            for method in ("GET", "POST", "DELETE"):
                problem(await service.client.request(method, service.url + path), 404, "not_found")


async def test_a_wrong_method_is_answered_with_the_right_ones(service: Service, subtests: pytest.Subtests) -> None:
    for method, path in [
        ("PUT", "/api/sessions"),
        ("DELETE", "/api/sessions"),
        ("POST", f"/api/sessions/{UNKNOWN}"),
        ("PUT", f"/api/sessions/{UNKNOWN}/messages"),
        ("DELETE", f"/api/messages/{UNKNOWN}"),
        ("PATCH", f"/api/runs/{UNKNOWN}"),
        ("GET", f"/api/runs/{UNKNOWN}/cancel"),
        ("POST", f"/api/runs/{UNKNOWN}/events"),
        ("GET", f"/api/sessions/{UNKNOWN}/runs"),
        ("POST", "/healthz"),
    ]:
        with subtests.test(method=method, path=path):
            answer = await service.client.request(method, path)
            problem(answer, 405, "invalid_request")
            assert answer.headers["allow"]
            assert method not in answer.headers["allow"]


async def test_every_error_code_can_occur(service: Service, script: Script) -> None:
    """Requests for every code except `call_not_waiting`; `test_middleware` has `bad_host` and the media type."""
    session_id = await service.session()
    session = f"/api/sessions/{session_id}"
    headers = {"idempotency-key": "key", "accept": "application/json"}
    ended = (await service.client.post(f"{session}/messages", json={"content": "1"}, headers=headers)).json()["run"]
    problem(await service.client.get("/api/nothing"), 404, "not_found")
    problem(await service.client.get(f"{session}/messages?before={UNKNOWN}"), 422, "invalid_request")
    mismatch = await service.client.post(f"{session}/messages", json={"content": "2"}, headers=headers)
    problem(mismatch, 422, "idempotency_mismatch", "run_id")
    problem(await service.client.get(f"/api/runs/{ended['id']}/events?after=x"), 400, "bad_position")
    await expire_logs(service)
    problem(await service.client.get(f"/api/runs/{ended['id']}/events"), 410, "events_expired", "message_id")
    gate = asyncio.Event()
    script.play([gate, stop()])
    open_ = await service.start(session_id, "3")
    busy = await service.client.post(f"{session}/messages", json={"content": "4"})
    problem(busy, 409, "session_busy", "run_id")
    gate.set()
    await service.events(open_["run"]["id"])
    service.runtime.is_draining = True
    answer = await service.client.post(f"{session}/messages", json={"content": "5"})
    problem(answer, 503, "shutting_down")
    assert int(answer.headers["retry-after"]) > 0


async def test_an_internal_error_hides_its_cause(service: Service) -> None:
    async def hide(tx: Transaction) -> None:
        await tx.run("ALTER TABLE sessions RENAME TO hidden")

    async def bring_back(tx: Transaction) -> None:
        await tx.run("ALTER TABLE hidden RENAME TO sessions")

    session_id = await service.session()
    await service.runtime.db.transaction(hide)
    for answer in (await service.client.get(f"/api/sessions/{session_id}"), await service.client.post("/api/sessions")):
        problem(answer, 500, "internal")
        assert "no such table" not in answer.text
    await service.runtime.db.transaction(bring_back)
    assert (await service.client.get(f"/api/sessions/{session_id}")).status_code == 200


async def test_free_text_is_stored_with_bad_characters_replaced(service: Service) -> None:
    body = json.dumps(
        {"title": "a\x00\ud800b", "model": "m\udc00", "metadata": {"k\x00": "v\ud800", "😀": "\ud83d\ude00"}}
    )
    answer = await service.client.post("/api/sessions", content=body, headers=AS_JSON)
    assert answer.status_code == 201, answer.text
    session = answer.json()
    assert (session["title"], session["model"]) == ("a\ufffd\ufffdb", "m\ufffd")
    assert session["metadata"] == {"k\ufffd": "v\ufffd", "😀": "😀"}
