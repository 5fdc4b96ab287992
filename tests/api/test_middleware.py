"""The checks of every request: a known host, a JSON body, its size; and CORS."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from tests.api.shapes import UNKNOWN, problem
from tests.api.tables import nothing_stored
from tests.script import Script
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

ORIGIN = "https://chat.example"
UNKNOWN_HOSTS = [
    "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "::1", "evil:localhost",
    "localhost:x", "localhost@evil.example", "127.0.0.2", "*",
]  # fmt: skip
OTHER_TYPES = [
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "json",
    "application/jsonp", "application/vnd.api+json", "application/json, text/plain", "text/plain; application/json",
]  # fmt: skip


async def test_a_known_host_is_answered(service: Service, subtests: pytest.Subtests) -> None:
    for host in ["localhost", "127.0.0.1", "[::1]", "localhost:8000", "LocalHost:1", "[::1]:8000"]:
        with subtests.test(host=host):
            assert (await service.client.get("/healthz", headers={"host": host})).status_code == 200


async def test_an_unknown_host_is_refused_on_every_path(service: Service, subtests: pytest.Subtests) -> None:
    for host in UNKNOWN_HOSTS:
        with subtests.test(host=host):
            session_id = await service.session()
            async with nothing_stored(service):
                for method, path in (
                    ("GET", "/"),
                    ("GET", "/api/sessions"),
                    ("GET", "/openapi.json"),
                    ("GET", "/docs"),
                    ("GET", "/nothing"),
                    ("GET", f"/api/sessions/{session_id}/events"),
                    ("DELETE", f"/api/sessions/{session_id}"),
                    ("POST", "/api/sessions"),
                ):
                    problem(await service.client.request(method, path, headers={"host": host}), 400, "bad_host")


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: evil.example\r\n"], ids=["none", "two"])
async def test_a_request_has_one_host(service: Service, hosts: bytes) -> None:
    address = httpx2.URL(service.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"GET /api/sessions HTTP/1.0\r\n" + hosts + b"\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"bad_host"' in answer


CROSS_SITE = [
    {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "null", "sec-fetch-site": "cross-site"},
    {"origin": "http://127.0.0.1:9", "sec-fetch-site": "same-site"},
    {"origin": "http://127.0.0.1.evil.example"},
    {"origin": "http://evil.example/127.0.0.1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": ""},
]


async def test_a_page_of_another_site_changes_nothing(service: Service, subtests: pytest.Subtests) -> None:
    for headers in CROSS_SITE:
        with subtests.test(headers=headers):
            session_id = await service.session()
            async with nothing_stored(service):
                for method, path in (
                    ("POST", "/api/sessions"),
                    ("POST", f"/api/runs/{UNKNOWN}/cancel"),
                    ("POST", f"/api/sessions/{session_id}/messages"),
                    ("PATCH", f"/api/sessions/{session_id}"),
                    ("DELETE", f"/api/sessions/{session_id}"),
                ):
                    problem(await service.client.request(method, path, headers=headers), 403, "cross_site")
            assert (await service.client.get("/api/sessions", headers=headers)).status_code == 200


async def test_own_pages_and_programs_may_change(service: Service, subtests: pytest.Subtests) -> None:
    host = service.url.removeprefix("http://")
    for headers in (
        {},
        {"origin": service.url, "sec-fetch-site": "same-origin"},
        {"origin": "http://chat.example", "sec-fetch-site": "same-origin"},  # a proxy has changed the host
        {"sec-fetch-site": "none"},
        {"origin": service.url},
        {"origin": f"https://{host}"},
        {"origin": "http://127.0.0.1"},
    ):
        with subtests.test(headers=headers):
            assert (await service.client.post("/api/sessions", headers=headers)).status_code == 201


async def test_the_operator_configures_the_known_hosts(database: str, script: Script) -> None:
    async with serving(settings(database, allowed_hosts=("Chat.Example",)), script) as service:
        for host, status in (("chat.example", 200), ("CHAT.example:443", 200), ("localhost", 400)):
            assert (await service.client.get("/api/sessions", headers={"host": host})).status_code == status


async def test_a_body_of_another_type_is_refused(service: Service, script: Script, subtests: pytest.Subtests) -> None:
    for media in OTHER_TYPES:
        with subtests.test(media=media):
            session_id = await service.session()
            async with nothing_stored(service):
                for method, path in (
                    ("POST", "/api/sessions"),
                    ("POST", f"/api/sessions/{session_id}/messages"),
                    ("POST", f"/api/sessions/{session_id}/runs"),
                    ("PATCH", f"/api/sessions/{session_id}"),
                ):
                    request: dict[str, Any] = {"content": b'{"content": "why?"}', "headers": {"content-type": media}}
                    answer = await service.client.request(method, path, **request)
                    problem(answer, 415, "unsupported_media_type")
            assert not script.prompts


async def test_a_body_without_a_type_is_refused(service: Service, script: Script) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        yield b'{"content": "why?"}'

    path = f"/api/sessions/{await service.session()}/messages"
    async with nothing_stored(service):
        problem(await service.client.post(path, content=b'{"content": "why?"}'), 415, "unsupported_media_type")
        problem(await service.client.post(path, content=chunks()), 415, "unsupported_media_type")


async def test_a_post_without_a_body_needs_no_type_but_no_form_either(service: Service) -> None:
    assert (await service.client.post("/api/sessions")).status_code == 201
    headers = {"content-type": "application/x-www-form-urlencoded"}
    problem(await service.client.post("/api/sessions", headers=headers), 415, "unsupported_media_type")
    problem(await service.client.post(f"/api/runs/{UNKNOWN}/cancel"), 404, "not_found")
    answer = await service.client.post(f"/api/runs/{UNKNOWN}/cancel", headers=headers)
    problem(answer, 415, "unsupported_media_type")


async def test_json_is_accepted_however_its_type_is_written(service: Service, subtests: pytest.Subtests) -> None:
    for media in ["application/json", "Application/JSON; charset=UTF-8", "application/json;x=y"]:
        with subtests.test(media=media):
            answer = await service.client.post(
                "/api/sessions", content=b'{"title": "\xc3\xbc"}', headers={"content-type": media}
            )
            assert (answer.status_code, answer.json()["title"]) == (201, "ü")


async def chunked(body: bytes) -> AsyncGenerator[bytes]:
    for begin in range(0, len(body), 100):
        yield body[begin : begin + 100]


@pytest.mark.parametrize("in_chunks", [False, True], ids=["with its length", "in chunks"])
async def test_a_body_has_a_size_limit(database: str, script: Script, in_chunks: bool) -> None:
    async with serving(settings(database, max_body_bytes=1000), script) as service:
        session_id = await service.session()
        headers = {"content-type": "application/json", "accept": "application/json"}

        async def post(size: int) -> httpx2.Response:
            body = b'{"content":"%b"}' % (b"x" * (size - 14))
            assert len(body) == size
            content = chunked(body) if in_chunks else body
            return await service.client.post(f"/api/sessions/{session_id}/messages", content=content, headers=headers)

        assert (await post(1000)).status_code == 200
        async with nothing_stored(service):
            problem(await post(1001), 413, "body_too_large")
            problem(await post(50_000), 413, "body_too_large")
        assert len(script.prompts) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/sessions"),
        ("PATCH", "/api/sessions/{session_id}"),
        ("DELETE", "/api/sessions/{session_id}"),
        ("POST", "/api/sessions/{session_id}/messages"),
        ("POST", "/api/sessions/{session_id}/runs"),
        ("POST", "/api/runs/{run_id}/cancel"),
    ],
)
async def test_a_body_that_is_too_large_changes_nothing(database: str, script: Script, method: str, path: str) -> None:
    script.play([asyncio.Event()])
    async with serving(settings(database, max_body_bytes=1000), script) as service:
        session_id = await service.session()
        run_id = (await service.start(session_id, "1"))["run"]["id"]
        path = path.format(session_id=session_id, run_id=run_id)
        headers = {"content-type": "application/json"}
        async with nothing_stored(service):
            answer = await service.client.request(method, path, content=b" " * 998 + b"{}" + b" ", headers=headers)
        problem(answer, 413, "body_too_large")


async def test_an_allowed_origin_may_read_the_location_header(database: str, script: Script) -> None:
    async with serving(settings(database, cors_origins=(ORIGIN,)), script) as service:
        path = f"/api/sessions/{await service.session()}/messages"
        answer = await service.client.post(path, json={"content": "why?"}, headers={"origin": ORIGIN})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert exposed == {"location", "content-location", "retry-after", "x-request-id", "x-should-retry"}
        refused = await service.client.post(path, json={}, headers={"origin": ORIGIN})
        assert refused.status_code == 422
        assert refused.headers["access-control-allow-origin"] == ORIGIN
        names = "authorization,content-disposition,content-type,idempotency-key,last-event-id,prefer"
        for method in ("GET", "POST", "PATCH", "DELETE"):
            preflight = {"access-control-request-method": method, "access-control-request-headers": names}
            answer = await service.client.options(path, headers={"origin": ORIGIN, **preflight})
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            assert method in answer.headers["access-control-allow-methods"]
            assert set(names.split(",")) <= set(answer.headers["access-control-allow-headers"].lower().split(", "))


@pytest.mark.parametrize("origins", [(), (ORIGIN,)])
async def test_other_origins_get_nothing(database: str, script: Script, origins: tuple[str, ...]) -> None:
    async with serving(settings(database, cors_origins=origins), script) as service:
        for origin in ("https://evil.example", "null", ORIGIN + ".evil.example", "http://chat.example"):
            headers = {"origin": origin}
            answer = await service.client.get("/api/sessions", headers=headers)
            assert "access-control-allow-origin" not in answer.headers
            headers["access-control-request-method"] = "POST"
            answer = await service.client.options("/api/sessions", headers=headers)
            assert answer.status_code != 200
            assert "access-control-allow-origin" not in answer.headers


async def test_a_preflight_is_checked_like_any_request(database: str, script: Script) -> None:
    async with serving(settings(database, cors_origins=(ORIGIN,)), script) as service:
        preflight = {"origin": ORIGIN, "access-control-request-method": "POST", "host": "evil.example"}
        problem(await service.client.options("/api/sessions", headers=preflight), 400, "bad_host")


async def test_a_refused_preflight_is_a_problem_document_too(service: Service) -> None:
    preflight = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = await service.client.options("/api/sessions", headers=preflight)
    assert answer.status_code in {400, 403, 405}
    assert answer.headers["content-type"] == "application/problem+json"
