"""Clients that are old, simple or in the middle: HEAD, HTTP/1.0, load balancers, stand-ins for EventSource."""

import asyncio
from pathlib import Path

import pytest

from chatkeep.api.routes import pages
from tests.api.shapes import UNKNOWN, problem
from tests.hostile.raw_http import ask, connected
from tests.script import Script
from tests.service import Service, read_events

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path) -> str:
    """This is about HTTP: one engine is enough."""
    return f"sqlite:///{tmp_path}/test.db"


async def test_head_is_get_without_a_body(service: Service, subtests: pytest.Subtests) -> None:
    session_id = await service.session()
    run = (await service.send(session_id, "why?"))["run"]
    asset = next(iter(pages.load_bundle().assets))
    for path in (
        "/", "/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css", f"/assets/{asset}", "/healthz", "/readyz",
        "/nothing", "/api/sessions", f"/api/sessions/{session_id}", f"/api/sessions/{session_id}/messages",
        f"/api/runs/{run['id']}", f"/api/runs/{UNKNOWN}", f"/api/runs/{run['id']}/events",
        f"/api/runs/{run['id']}/events?after={run['position']}",
    ):  # fmt: skip
        with subtests.test(path=path):
            got = await service.client.get(path)
            head = await service.client.head(path)
            assert (head.status_code, head.content) == (got.status_code, b"")
            ignored = ("date", "transfer-encoding", "x-request-id")
            assert {k: v for k, v in head.headers.items() if k not in ignored} == {
                k: v for k, v in got.headers.items() if k not in ignored
            }


async def test_head_of_an_open_stream_ends(service: Service, script: Script) -> None:
    goes_on = asyncio.Event()
    script.play([goes_on])
    session_id = await service.session()
    run = (await service.start(session_id, "1"))["run"]
    for path in (f"/api/runs/{run['id']}/events", f"/api/sessions/{session_id}/events"):
        for _ in range(2):  # on one connection: nothing is left over
            answer = await service.client.head(path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    goes_on.set()
    assert (await service.events(run["id"]))[-1]["type"] == "run.finished"


async def test_head_changes_nothing(service: Service) -> None:
    answer = await service.client.head(f"/api/runs/{UNKNOWN}/cancel")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    answer = await service.client.put("/healthz")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("host", ["10.0.0.7:8000", "evil.example", ""])
async def test_probes_answer_to_any_name(service: Service, host: str) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await service.client.get(path, headers={"host": host})).status_code == 200
    problem(await service.client.get("/api/sessions", headers={"host": host}), 400, "bad_host")


async def test_a_stream_for_http_1_0_ends_with_the_connection(service: Service) -> None:
    run = (await service.send(await service.session(), "why?"))["run"]
    path = f"/api/runs/{run['id']}/events"
    answer = await ask(service.url, f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert b"connection: close" in head
    assert body.decode() == (await service.client.get(path)).text


async def test_a_length_stands_for_http_1_0_too(service: Service) -> None:
    for path, status in (("/healthz", b"200"), ("/", b"200"), ("/nothing", b"404")):
        answer = await ask(service.url, b"GET %b HTTP/1.0\r\nHost: localhost\r\n\r\n" % path.encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 " + status)
        assert b"content-length: %d\r\n" % len(body) in head
        assert b"transfer-encoding" not in head


async def test_a_place_may_come_in_the_address(service: Service) -> None:
    session_id = await service.session()
    run = (await service.send(session_id, "why?"))["run"]
    path = f"/api/runs/{run['id']}/events"
    whole = await service.events(run["id"])
    rest = whole[2:]
    place = whole[1]["position"]
    for query, header in (
        (f"lastEventId={place}", None),
        (f"after=0&lastEventId={place}", None),
        ("after=0&lastEventId=1&x", str(place)),
        (f"after={place}", ""),
        (f"after={place}&lastEventId=", ""),
    ):
        headers = {} if header is None else {"last-event-id": header}
        async with service.client.stream("GET", f"{path}?{query}", headers=headers) as answer:
            assert [event async for event in read_events(answer)] == rest, (query, header)
    problem(await service.client.get(f"/api/sessions/{session_id}/events?lastEventId=x"), 400, "bad_position")


async def test_an_empty_id_is_no_place(service: Service) -> None:
    run = (await service.send(await service.session(), "why?"))["run"]
    answer = await service.client.get(f"/api/runs/{run['id']}/events", headers={"last-event-id": ""})
    assert answer.text == (await service.client.get(f"/api/runs/{run['id']}/events")).text


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://localhost/api/sessions", b"evil.example", 200),
        (b"HTTP://LocalHost:8000/api/sessions?limit=1", b"evil.example", 200),
        (b"https://[::1]/api/sessions", b"evil.example", 200),
        (b"http://localhost", b"evil.example", 200),
        (b"http://localhost?x", b"evil.example", 200),
        (b"http://evil.example/api/sessions", b"localhost", 400),
        (b"http://evil.example", b"localhost", 400),
        (b"http://localhost@evil.example/api/sessions", b"localhost", 400),
        (b"http://evil.example@localhost/api/sessions", b"localhost", 400),
        (b"http:///api/sessions", b"localhost", 400),
        (b"ftp://localhost/api/sessions", b"localhost", 400),
        (b"localhost:80", b"localhost", 400),
        (b"http://localhost/api/sessions", b"localhost\r\nHost: localhost", 400),
        (b"//evil.example/api/sessions", b"localhost", 404),
        (b"*", b"localhost", 404),
    ],
)
async def test_the_target_decides_over_host(service: Service, target: bytes, host: bytes, status: int) -> None:
    request = b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % (target, host)
    answer = await ask(service.url, request)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    if status == 200 and b"api" in target:
        assert answer.endswith(b'{"data":[],"next":null}')


async def test_a_target_of_another_site_changes_nothing(service: Service) -> None:
    request = (
        b"POST http://localhost/api/sessions HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n"
        b"Origin: http://evil.example\r\n\r\n"
    )
    assert b'"code":"cross_site"' in await ask(service.url, request)


async def test_a_request_of_http_1_1_names_a_host(service: Service) -> None:
    async with connected(service.url) as connection:
        await connection.send(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert b" 400 " in await connection.read_until(b"\r\n")
    assert b" 200 " in await ask(service.url, b"GET /healthz HTTP/1.0\r\n\r\n")
