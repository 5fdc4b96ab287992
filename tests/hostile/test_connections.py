"""Clients that send too much, too slowly, too often, or no HTTP: they are refused, and others are not disturbed."""

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from chatkeep.api.connections import Awaited, Connections
from chatkeep.api.http_protocol import MAX_HEAD_BYTES, MAX_WAITING_REQUESTS
from chatkeep.errors import Refused, TooManyConnections
from tests.api.tables import nothing_stored
from tests.hostile.raw_http import ask, connected, refusal
from tests.script import Script
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
GET = HEAD + b"\r\n"
LAST = HEAD + b"Connection: close\r\n\r\n"
POST = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
HASTY = {"head_seconds": 0.05, "body_seconds": 0.05, "check_seconds": 0.01}


@pytest.fixture
def database(tmp_path: Path) -> str:
    """No connection's fate rests on the database: one engine is enough."""
    return f"sqlite:///{tmp_path}/test.db"


def header_of(size: int) -> bytes:
    """Return a header that makes `HEAD` so many bytes long, counted without what stands between."""
    return b"X: " + b"x" * (size - len("/healthzhostlocalhostconnectionclosex")) + b"\r\nConnection: close\r\n\r\n"


async def test_a_head_has_a_limit(service: Service) -> None:
    assert (await ask(service.url, HEAD + header_of(MAX_HEAD_BYTES))).startswith(b"HTTP/1.1 200 ")
    assert refusal(await ask(service.url, HEAD + header_of(MAX_HEAD_BYTES + 1))) == (431, "head_too_large")
    many = b"".join(b"a: %d\r\n" % number for number in range(10_000))
    assert refusal(await ask(service.url, HEAD + many + b"\r\n")) == (431, "head_too_large")
    target = b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert refusal(await ask(service.url, target)) == (431, "head_too_large")


@pytest.mark.parametrize("begin", [HEAD + b"X: ", b"GET /", b"G" * 9], ids=["header", "target", "method"])
async def test_a_head_without_an_end_is_not_read_on(service: Service, begin: bytes) -> None:
    piece = b"X" * 100_000
    status, _ = refusal(await ask(service.url, begin, *[piece] * 100))
    assert status in (400, 431)


@pytest.mark.parametrize("more", [b"5;" + b"x" * 300_000, b"0\r\nX: " + b"x" * 300_000], ids=["chunk", "trailer"])
async def test_what_is_no_body_has_a_limit_too(service: Service, more: bytes) -> None:
    assert refusal(await ask(service.url, CHUNKED % b"/api/sessions", more)) == (431, "head_too_large")


async def test_a_trailer_is_no_header(service: Service) -> None:
    path = f"/api/sessions/{await service.session()}/messages".encode()
    body = b'13\r\n{"content": "why?"}\r\n0\r\nAccept: application/json\r\nConnection: close\r\n\r\n'
    async with connected(service.url) as connection:
        await connection.send(CHUNKED % path, body)
        assert b"text/event-stream" in await connection.read_until(b"\r\n\r\n")


@pytest.mark.parametrize("begin", [b"", b"GET /heal", HEAD, b"\r\n"], ids=["nothing", "line", "header", "blank"])
async def test_a_head_has_its_time(database: str, begin: bytes) -> None:
    async with serving(settings(database), connections=Connections(10, **HASTY)) as service:
        assert refusal(await ask(service.url, begin)) == (408, "request_timeout")


async def test_the_second_request_has_its_time_too(database: str) -> None:
    hasty = Connections(10, **HASTY)
    async with serving(settings(database), connections=hasty) as service, connected(service.url) as connection:
        await connection.send(GET)
        await connection.read_until(b'"checks":{}}')
        await connection.send(b"\r\n")
        assert refusal(await connection.read_all()) == (408, "request_timeout")


async def test_a_body_has_its_time(database: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(settings(database), connections=Connections(10, **HASTY)) as service:
        caplog.set_level(logging.WARNING)
        async with nothing_stored(service):
            for begin in (
                POST % b"/api/sessions" + b"Content-Length: 9\r\n\r\n{",
                CHUNKED % b"/api/sessions" + b"9\r\n{",
            ):
                assert refusal(await ask(service.url, begin)) == (408, "request_timeout")
        assert caplog.records == []


async def test_a_stream_outlives_the_limits(database: str, script: Script) -> None:
    goes_on = asyncio.Event()
    script.play([goes_on])
    async with serving(settings(database), script, Connections(10, **HASTY)) as service:
        run = (await service.start(await service.session(), "1"))["run"]
        async with connected(service.url) as connection:
            await connection.send(b"GET /api/runs/%b/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % run["id"].encode())
            await connection.read_until(b"data: ")
            assert refusal(await ask(service.url, b"G")) == (408, "request_timeout")
            goes_on.set()
            await connection.read_until(b"run.finished")


async def test_requests_may_wait_for_answers_but_not_many(service: Service) -> None:
    answer = await ask(service.url, GET * 3 + LAST)
    assert answer.count(b"HTTP/1.1 200 ") == 4
    answer = await ask(service.url, GET * (MAX_WAITING_REQUESTS + 2) + LAST)
    assert answer.count(b"HTTP/1.1 200 ") <= 1


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\x00: 1\r\n\r\n", b"GET x HTTP/9\r\n\r\n"]
)
async def test_what_is_not_http_is_refused(service: Service, data: bytes) -> None:
    assert refusal(await ask(service.url, data)) == (400, "bad_request")


async def test_another_protocol_is_not_spoken(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    for name in (b"websocket", b"h2c"):
        answer = await ask(service.url, HEAD + b"Connection: close, Upgrade\r\nUpgrade: %b\r\n\r\n" % name)
        assert answer.startswith(b"HTTP/1.1 200 ")
    assert caplog.records == []


async def test_connections_have_a_limit(database: str) -> None:
    async with serving(settings(database), connections=Connections(5)) as service, AsyncExitStack() as stack:
        mine = [await stack.enter_async_context(connected(service.url)) for _ in range(5)]
        for each in mine:  # all of one address: loopback has no share
            await each.send(GET)
            await each.read_until(b'"checks":{}}')
        assert refusal(await ask(service.url)) == (503, "too_many_connections")
        await mine[0].send(LAST)
        await mine[0].read_all()
        assert (await ask(service.url, LAST)).startswith(b"HTTP/1.1 200 ")


class Silent:
    """A connection that waits for nothing."""

    def awaited(self) -> Awaited | None:
        return None

    def refuse(self, error: Refused) -> None:
        raise AssertionError(error)


@pytest.mark.parametrize(
    ("addresses", "taken"),
    [
        (["192.0.2.1"] * 3, 2),
        (["::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"], 2),
        (["192.0.2.1", "192.0.2.2", "192.0.2.3"], 3),
        (["2001:db8::1", "2001:db8::2:1", "2001:db8::3:1"], 2),  # one host has the last 64 bits
        (["2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"], 3),
        (["fe80::1%eth0"] * 3, 2),
        (["127.0.0.1"] * 9, 8),
        (["::1"] * 9, 8),
        ([None] * 9, 8),
    ],
)
async def test_an_address_has_its_share(addresses: list[str | None], taken: int) -> None:
    connections = Connections(8, check_seconds=0.01)
    mine = [(Silent(), address) for address in addresses]
    answers = [connections.add(each, address) for each, address in mine]
    assert [answer is None for answer in answers] == [True] * taken + [False] * (len(mine) - taken)
    for each, address in mine:
        connections.discard(each, address)
    answers = [connections.add(each, address) for each, address in mine[:2]]
    assert TooManyConnections not in map(type, answers)
    for each, address in mine[:2]:
        connections.discard(each, address)
