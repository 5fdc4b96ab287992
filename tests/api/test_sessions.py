"""Creating, reading and listing sessions (docs/http-api.md)."""

from typing import Any

import pytest

from tests.api.shapes import NO_UUIDS, SESSION, TIME, UNKNOWN, UUID7, invalid, problem
from tests.api.tables import change_owner, nothing_stored
from tests.script import Script
from tests.service import Service

pytestmark = pytest.mark.anyio


async def ids_of(service: Service, **params: Any) -> tuple[list[str], str | None]:
    answer = await service.client.get("/api/sessions", params=params)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert set(page) == {"data", "next"}
    return [session["id"] for session in page["data"]], page["next"]


@pytest.mark.parametrize("request_", [{}, {"json": {}}, {"json": dict.fromkeys(["id", "title", "model", "metadata"])}])
async def test_a_session_has_defaults(service: Service, request_: dict[str, Any]) -> None:
    answer = await service.client.post("/api/sessions", **request_)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    session = answer.json()
    assert answer.headers["location"] == f"/api/sessions/{session['id']}"
    assert set(session) == SESSION
    assert UUID7.fullmatch(session["id"])
    assert TIME.fullmatch(session["created_at"])
    assert session["updated_at"] == session["created_at"]
    assert (session["title"], session["model"], session["head_id"]) == (None, None, None)
    assert (session["assistant"], session["metadata"], session["status"]) == ("default", {}, "idle")
    assert session["message_count"] == 0


async def test_a_session_keeps_what_it_was_made_with(service: Service) -> None:
    fields = {"title": "Jokes", "assistant": "default", "model": "m", "metadata": {"colour": "grün"}}
    created = (await service.client.post("/api/sessions", json=fields)).json()
    assert {name: created[name] for name in fields} == fields
    answer = await service.client.get(f"/api/sessions/{created['id']}")
    assert answer.status_code == 200
    assert answer.json() == created


async def test_the_limits_of_the_fields_are_inclusive(service: Service) -> None:
    fields: dict[str, Any] = {"title": "😀" * 200, "metadata": {f"{n:02}" + "k" * 62: "ü" * 512 for n in range(16)}}
    created = await service.client.post("/api/sessions", json=fields)
    assert created.status_code == 201, created.text
    assert created.json()["title"] == fields["title"]
    assert created.json()["metadata"] == fields["metadata"]


async def test_a_session_with_invalid_fields_is_refused(service: Service, subtests: pytest.Subtests) -> None:
    wrong: list[dict[str, Any]] = [
        {"title": "x" * 201},
        {"title": 7},
        {"model": 7},
        {"assistant": "nobody"},
        {"assistant": "../default"},
        {"metadata": {"k" * 65: "v"}},
        {"metadata": {"k": "v" * 513}},
        {"metadata": {str(n): "v" for n in range(17)}},
        {"metadata": {"k": 1}},
        {"metadata": {"k": None}},
        {"metadata": []},
        {"id": 7},
        {"id": "x"},
        {"id": "----" + "0" * 32},
        {"id": "{" + "0" * 32 + "}--"},
        {"id": "0_0" * 12},
        {"head_id": None},
        {"status": "idle"},
        {"owner": "me"},
    ]
    for fields in wrong:
        with subtests.test(fields=fields):
            async with nothing_stored(service):
                answer = await service.client.post("/api/sessions", json=fields)
            assert answer.status_code == 422, answer.text
            assert answer.json()["code"] == "invalid_request"


async def test_an_unknown_field_is_named(service: Service) -> None:
    errors = invalid(await service.client.post("/api/sessions", json={"titel": "x"}))
    assert errors[0]["loc"] == ["body", "titel"]


async def test_a_client_s_id_makes_creation_safe_to_repeat(service: Service) -> None:
    requested_id = "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"
    first = await service.client.post("/api/sessions", json={"id": requested_id, "title": "first"})
    assert first.status_code == 201
    assert first.json()["id"] == requested_id.lower()
    assert first.headers["location"] == f"/api/sessions/{requested_id.lower()}"
    async with nothing_stored(service):
        again = await service.client.post("/api/sessions", json={"id": requested_id.lower(), "title": "second"})
    assert again.status_code == 200
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert (await service.client.get(f"/api/sessions/{requested_id}")).json() == first.json()


async def test_an_id_of_another_owner_is_refused(service: Service) -> None:
    session_id = await service.session(id=UNKNOWN)
    await change_owner(service, session_id)
    async with nothing_stored(service):
        problem(await service.client.post("/api/sessions", json={"id": UNKNOWN}), 409, "id_taken")


async def test_a_session_that_is_not_there_is_not_found(service: Service, subtests: pytest.Subtests) -> None:
    for session_id in [UNKNOWN, *NO_UUIDS, "%00", "%ff", "\N{PILE OF POO}"]:
        with subtests.test(session_id=session_id):
            problem(await service.client.get(f"/api/sessions/{session_id}"), 404, "not_found")


async def test_sessions_are_listed_most_recently_used_first(service: Service, script: Script) -> None:
    first, second, third = [await service.session() for _ in range(3)]
    assert await ids_of(service) == ([third, second, first], None)
    await service.send(first, "hello")
    assert await ids_of(service) == ([first, third, second], None)
    await service.client.patch(f"/api/sessions/{second}", json={"title": "x"})
    assert await ids_of(service) == ([first, third, second], None)  # a change is no use


async def test_the_end_of_an_answer_counts_as_use(service: Service, script: Script) -> None:
    first = await service.session()
    before = (await service.client.get(f"/api/sessions/{first}")).json()
    answer = await service.send(first, "hello")
    after = (await service.client.get(f"/api/sessions/{first}")).json()
    assert before["updated_at"] < answer["run"]["finished_at"] <= after["updated_at"]
    assert after["created_at"] == before["created_at"]


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(service: Service) -> None:
    created = [await service.session() for _ in range(5)][::-1]
    assert (await ids_of(service, limit=5)) == (created, None)
    seen: list[str] = []
    cursor = None
    for length in (2, 2, 1):
        page, cursor = await ids_of(service, limit=2, **({"before": cursor} if cursor else {}))
        assert len(page) == length
        seen += page
    assert seen == created
    assert cursor is None


async def test_a_page_has_twenty_sessions_by_default(service: Service) -> None:
    for _ in range(21):
        await service.session()
    page, cursor = await ids_of(service)
    assert len(page) == 20
    rest, end = await ids_of(service, before=cursor)
    assert (len(rest), end) == (1, None)
    assert len((await ids_of(service, limit=100))[0]) == 21


async def test_a_listed_session_is_the_session(service: Service, script: Script) -> None:
    session_id = await service.session(title="Jokes")
    await service.send(session_id, "hello")
    listed = (await service.client.get("/api/sessions")).json()["data"][0]
    assert listed == (await service.client.get(f"/api/sessions/{session_id}")).json()
    assert listed["message_count"] == 2


async def test_an_impossible_page_is_refused(service: Service, subtests: pytest.Subtests) -> None:
    wrong = [{"limit": limit} for limit in ("0", "101", "-1", "x", "")]
    for params in [*wrong, *({"before": cursor} for cursor in ("", "x", "=", "é", UNKNOWN, "AAAA", "\x00"))]:
        with subtests.test(params=params):
            answer = await service.client.get("/api/sessions", params=params)
            assert answer.status_code == 422, answer.text
            assert answer.json()["code"] == "invalid_request"
