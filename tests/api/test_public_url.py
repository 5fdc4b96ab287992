"""The service behind a proxy: below a path, under another name (CHATKEEP_PUBLIC_URL)."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from chatkeep.settings.public_url import parse_public_url
from tests.api.shapes import problem
from tests.service import Service, serving, settings
from tests.sub_path import PATH, below_a_path

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[Service]:
    """The service with a public address, answered by the practice model."""
    public_url = parse_public_url("https://chat.example/chat")
    async with serving(settings(tmp_path, public_url=public_url)) as service:
        yield service


async def test_addresses_are_below_the_path(service: Service) -> None:
    async with below_a_path(service.url) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        session = await client.post("/api/sessions")
        location = session.headers["location"]
        assert location == f"{PATH}/api/sessions/{session.json()['id']}"
        origin = url.removesuffix(PATH)
        assert (await client.get(origin + location)).json() == session.json()
        answer = await client.post(origin + location + "/messages", json={"content": "hello"})
        for name in ("location", "content-location"):
            assert (await client.get(origin + answer.headers[name])).status_code == 200
        redirect = await client.get("/api/sessions/")
        assert redirect.headers["location"] == f"{PATH}/api/sessions"
        document = (await client.get("/openapi.json")).json()
        assert document["servers"] == [{"url": PATH}]


async def test_the_public_name_is_known(service: Service) -> None:
    for headers in (
        {"host": "chat.example"},
        {"host": "Chat.Example:443", "origin": "https://chat.example"},
        {"origin": "https://chat.example"},  # a proxy that names the service's own address in Host
    ):
        assert (await service.client.post("/api/sessions", headers=headers)).status_code == 201
    problem(await service.client.get("/api/sessions", headers={"host": "other.example"}), 400, "bad_host")
    headers = {"origin": "https://other.example"}
    problem(await service.client.post("/api/sessions", headers=headers), 403, "cross_site")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://Chat.Example", ("https://chat.example", "chat.example", "")),
        ("https://chat.example:443/", ("https://chat.example", "chat.example", "")),
        ("http://chat.example:8080/a/B/", ("http://chat.example:8080", "chat.example", "/a/B")),
        ("HTTP://[::1]:80", ("http://[::1]", "[::1]", "")),
    ],
)
def test_a_public_url_has_parts(text: str, parts: tuple[str, ...]) -> None:
    assert parse_public_url(text) == parts


@pytest.mark.parametrize(
    "text",
    ["chat.example", "ftp://chat.example", "https://", "https://u@chat.example", "https://chat.example?a",
     "https://chat.example/a/../b", "https://chat.example/a//b", "https://chat.example/a b", "https://x/\r\na: b"],
)  # fmt: skip
def test_what_is_no_public_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        parse_public_url(text)
