"""Signing in at a certified OpenID provider (npm's oidc-provider), and what is refused of what comes back."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from pydantic import SecretStr

from chatkeep.chat.people import COMMAND_LINE
from chatkeep.errors import CannotStart
from chatkeep.runs import people
from chatkeep.settings import load_settings
from chatkeep.settings.public_url import parse_public_url
from tests.api.shapes import problem
from tests.needs import npm_program
from tests.script import Script
from tests.service import Service, serving, settings
from tests.sign_in.test_streams_end import closed

pytestmark = pytest.mark.anyio

CLIENT, SECRET = "chatkeep", "s3cret/with+odd:signs" * 2
PUBLIC = "https://chat.example/chat"
SIGN_IN, FLOW = "__Secure-chatkeep", "__Secure-chatkeep-flow"


@asynccontextmanager
async def provider(
    method: str = "client_secret_basic", redirect: str = f"{PUBLIC}/auth/callback"
) -> AsyncGenerator[str]:
    """Run the provider, and yield its issuer."""
    node, _ = npm_program("oidc-provider", "lib", "index.js")
    script = Path(__file__).parent / "oidc_provider.mjs"
    process = await asyncio.create_subprocess_exec(
        node, str(script), CLIENT, SECRET, method, redirect,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.communicate()


def oidc(issuer: str, secret: str = SECRET) -> dict[str, Any]:
    return {
        "oidc_issuer": issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SecretStr(secret),
        "public_url": parse_public_url(PUBLIC),
    }


@pytest.fixture
async def service(database: str, script: Script) -> AsyncGenerator[Service]:
    async with provider() as issuer, serving(settings(database, **oidc(issuer)), script) as service:
        yield service


def cookies_of(answer: httpx2.Response) -> dict[str, str]:
    """Return the cookies that an answer sets, and check that each is kept from scripts and other sites."""
    lines = answer.headers.get_list("set-cookie")
    assert all(re.search(r"HttpOnly; .*Path=/chat; SameSite=lax; Secure$", line) for line in lines), lines
    return {line.partition("=")[0]: line.partition("=")[2].partition(";")[0] for line in lines}


def cookie(name: str, value: str) -> dict[str, str]:
    return {"cookie": f"{name}={value}"}


async def begin(service: Service, return_to: str = "/") -> tuple[str, str]:
    """Return where the browser is sent, and the cookie that it keeps meanwhile."""
    answer = await service.client.get("/auth/login", params={"return": return_to})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"], cookies_of(answer)[FLOW]


async def sign_in_there(url: str, name: str) -> str:
    """Sign in at the provider as a browser does, and return the address that it sends back to."""
    async with httpx2.AsyncClient(trust_env=False) as browser:
        answer = await browser.get(url)
        for _ in range(9):
            if location := answer.headers.get("location"):
                if location.startswith(PUBLIC):
                    return location
                answer = await browser.get(urljoin(str(answer.url), location))
                continue
            action = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert action, answer.text
            assert prompt, answer.text
            form = {"prompt": prompt[1], "login": name, "password": "x"}
            answer = await browser.post(urljoin(str(answer.url), action[1]), data=form)
    raise AssertionError("it leads nowhere")


async def finish(service: Service, back: str, flow: str, **more: str) -> httpx2.Response:
    query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()} | more
    return await service.client.get("/auth/callback", params=query, headers=cookie(FLOW, flow))


async def signed_in(service: Service, name: str = "ada") -> dict[str, str]:
    """Return the header of a signed-in browser."""
    url, flow = await begin(service)
    answer = await finish(service, await sign_in_there(url, name), flow)
    assert answer.status_code == 303, answer.text
    return cookie(SIGN_IN, cookies_of(answer)[SIGN_IN])


async def test_a_browser_signs_in_and_out(service: Service) -> None:
    refused = problem(await service.client.get("/api/me"), 401, "unauthenticated", "sign_in")
    assert refused["sign_in"] == "/chat/auth/login"
    url, flow = await begin(service, "/?chat=1")
    asked = parse_qs(urlsplit(url).query)
    assert (asked["code_challenge_method"], asked["response_type"]) == (["S256"], ["code"])
    back = await sign_in_there(url, "ada")
    answer = await finish(service, back, flow)
    assert answer.headers["location"] == "/chat/?chat=1"
    found = cookies_of(answer)
    browser = cookie(SIGN_IN, found[SIGN_IN])
    me = (await service.client.get("/api/me", headers=browser)).json()
    assert (me["name"], me["way"], me["role"]) == ("ada of the issuer", "oidc", "user")
    other = (await service.client.get("/api/me", headers=await signed_in(service, "bob"))).json()
    assert other["id"] != me["id"]
    assert (await service.client.get("/api/me", headers=await signed_in(service))).json()["id"] == me["id"]
    opened = asyncio.Event()
    session_id = (await service.client.post("/api/sessions", headers=browser)).json()["id"]
    reading = asyncio.create_task(closed(service, f"/api/sessions/{session_id}/events", browser, opened))
    await opened.wait()
    cross = {**browser, "sec-fetch-site": "cross-site"}
    problem(await service.client.post("/auth/logout", headers=cross), 403, "cross_site")
    out = await service.client.post("/auth/logout", headers=browser)
    assert (out.status_code, cookies_of(out)[SIGN_IN]) == (204, '""')
    await reading
    problem(await service.client.get("/api/me", headers=browser), 401, "unauthenticated", "sign_in")


async def test_what_comes_back_is_checked(service: Service) -> None:
    url, flow = await begin(service)
    back = await sign_in_there(url, "ada")
    _, other_flow = await begin(service)
    assert (await finish(service, back, "")).status_code == 401
    assert (await finish(service, back, "nonsense")).status_code == 401
    assert (await finish(service, back, other_flow)).status_code == 401  # another state: begun in another browser
    assert (await finish(service, back, flow, iss="https://evil.example")).status_code == 401
    assert (await finish(service, back, flow, error="access_denied")).status_code == 401
    assert (await finish(service, back, flow, code="another")).status_code == 401
    assert (await finish(service, back, flow)).status_code == 303
    assert (await finish(service, back, flow)).status_code == 401  # a code counts once
    problem(await service.client.get("/api/me", headers=cookie(SIGN_IN, "x" * 43)), 401, "unauthenticated", "sign_in")


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "x", ""])
async def test_the_browser_comes_back_to_no_other_site(tmp_path: Path, script: Script, path: str) -> None:
    async with provider() as issuer, serving(settings(tmp_path, **oidc(issuer)), script) as service:
        url, flow = await begin(service, path)
        answer = await finish(service, await sign_in_there(url, "ada"), flow)
        assert answer.headers["location"] == "/chat/"


async def test_a_disabled_user_cannot_sign_in(service: Service) -> None:
    browser = await signed_in(service)
    user_id = (await service.client.get("/api/me", headers=browser)).json()["id"]
    await people.change_user(service.runtime.db, user_id, disabled=True, actor=COMMAND_LINE)
    problem(await service.client.get("/api/me", headers=browser), 403, "account_disabled")
    url, flow = await begin(service)
    problem(await finish(service, await sign_in_there(url, "ada"), flow), 403, "account_disabled")


async def test_a_secret_may_be_posted(tmp_path: Path, script: Script) -> None:
    async with provider("client_secret_post") as issuer, serving(settings(tmp_path, **oidc(issuer)), script) as service:
        assert (await service.client.get("/api/me", headers=await signed_in(service))).status_code == 200


async def test_a_wrong_secret_is_refused(tmp_path: Path, script: Script) -> None:
    async with provider() as issuer, serving(settings(tmp_path, **oidc(issuer, "wrong")), script) as service:
        url, flow = await begin(service)
        problem(await finish(service, await sign_in_there(url, "ada"), flow), 401, "unauthenticated")


async def test_an_issuer_that_is_away_is_said(tmp_path: Path, script: Script) -> None:
    async with serving(settings(tmp_path, **oidc("http://127.0.0.1:9")), script) as service:
        problem(await service.client.get("/auth/login"), 503, "sign_in_unavailable")
    async with serving(settings(tmp_path), script) as service:
        problem(await service.client.get("/auth/login"), 404, "not_found")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("CHATKEEP_OIDC_ISSUER=https://id.example", "go together"),
        ("CHATKEEP_OIDC_CLIENT_SECRET=x", "go together"),
        ("CHATKEEP_OIDC_ISSUER=http://id.example\nCHATKEEP_OIDC_CLIENT_ID=c\nCHATKEEP_PUBLIC_URL=https://a.b", "https"),
        ("CHATKEEP_OIDC_ISSUER=https://id.example\nCHATKEEP_OIDC_CLIENT_ID=c\nCHATKEEP_PUBLIC_URL=http://a.b", "https"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, lines: str, fault: str) -> None:
    (tmp_path / ".env").write_text(lines)
    with pytest.raises(CannotStart, match=fault):
        load_settings(tmp_path / ".env")
