"""Every answer, also an error or a stream, forbids a browser to guess, to keep, to frame or to lend it."""

from pathlib import Path

import pytest

from chatkeep.api.response_headers import HEADERS
from chatkeep.api.routes import docs, pages
from tests.api.shapes import UNKNOWN
from tests.hostile.raw_http import ask
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

ORIGIN = "https://chat.example"


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Headers do not rest on the database: one engine is enough."""
    return f"sqlite:///{tmp_path}/test.db"


async def test_every_answer_has_them(service: Service, subtests: pytest.Subtests) -> None:
    session_id = await service.session()
    run = (await service.send(session_id, "why?"))["run"]
    paths = [
        "/healthz", "/readyz", "/openapi.json", "/nothing", "/api/sessions", f"/api/sessions/{session_id}",
        f"/api/runs/{run['id']}/events", f"/api/runs/{run['id']}/events?after={run['position']}",
        f"/api/runs/{UNKNOWN}", "/api/sessions?limit=x", "/assets/none",
    ]  # fmt: skip
    requests: list[tuple[str, str, dict[str, str]]] = [("GET", path, {}) for path in paths]
    requests += [
        ("PUT", "/api/sessions", {}),
        ("DELETE", f"/api/sessions/{session_id}", {}),
        ("GET", "/api/sessions", {"host": "evil.example"}),
        ("POST", "/api/sessions", {"sec-fetch-site": "cross-site"}),
        ("POST", "/api/sessions", {"content-type": "text/plain"}),
    ]
    for method, path, headers in requests:
        with subtests.test(method=method, path=path):
            async with service.client.stream(method, path, headers=headers) as answer:
                assert dict(HEADERS).items() <= dict(answer.headers).items(), answer.headers
                assert len(answer.headers.get_list("cache-control")) == 1


async def test_a_fault_of_the_service_has_them(service: Service) -> None:
    @service.app.get("/fault")
    async def fail() -> None:
        raise RuntimeError

    del fail
    answer = await service.client.get("/fault")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert dict(HEADERS).items() <= dict(answer.headers).items()


async def test_what_is_not_http_gets_them(service: Service) -> None:
    answer = await ask(service.url, b"NOT HTTP\r\n\r\n")
    for name, value in HEADERS:
        assert f"\r\n{name}: {value}\r\n".encode() in answer


async def test_pages_have_policies_of_their_own(service: Service) -> None:
    asset = next(iter(pages.load_bundle().assets))
    for path, own in (
        ("/", {"content-security-policy": pages.POLICY, "cache-control": "no-cache"}),
        ("/docs", {"content-security-policy": docs.POLICY}),
        (f"/assets/{asset}", {}),
    ):
        headers = (await service.client.get(path)).headers
        expected = {**dict(HEADERS), **own}
        if path.startswith("/assets"):
            del expected["cache-control"]
        assert expected.items() <= dict(headers).items()
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_an_allowed_origin_may_still_read(database: str) -> None:
    async with serving(settings(database, cors_origins=(ORIGIN,))) as service:
        answer = await service.client.get("/api/sessions", headers={"origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert dict(HEADERS).items() <= dict(answer.headers).items()
