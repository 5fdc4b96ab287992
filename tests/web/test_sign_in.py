"""A browser signs in at a certified OpenID provider, talks, and is signed out."""

import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, expect

from chatkeep.settings.public_url import parse_public_url
from tests.script import Script, say, stop
from tests.service import Service, serving, settings
from tests.sign_in.test_oidc import oidc, provider
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service, at an address that the provider knows before it starts."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with provider(redirect=f"{url}/auth/callback") as issuer:
            ways = {**oidc(issuer), "public_url": parse_public_url(url)}
            async with serving(settings(tmp_path, **ways), script, bound=bound) as service:
                yield service


@pytest.fixture
async def context(browser: Browser) -> AsyncGenerator[BrowserContext]:
    """A browser context whose requests are not watched: the provider's own pages load a font from elsewhere."""
    context = await browser.new_context()
    await context.route("https://**", lambda route: route.abort())
    yield context
    await context.close()


async def test_a_browser_signs_in_talks_and_is_signed_out(
    service: Service, context: BrowserContext, script: Script
) -> None:
    script.play([say("Hello, Ada."), stop()])
    page = await context.new_page()
    await page.goto(f"{service.url}/")
    await page.get_by_placeholder("Enter any login").fill("ada")
    await page.get_by_placeholder("and password").fill("x")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()
    await expect(page).to_have_title("New chat · chatkeep")
    chat = Chat(page)
    await chat.say("Hi")
    await chat.answered("Hello, Ada.")
    cookies = {each.get("name"): each for each in await context.cookies()}
    cookie = cookies["__Host-chatkeep"]
    assert (cookie.get("httpOnly"), cookie.get("secure"), cookie.get("sameSite")) == (True, True, "Lax")
    assert await page.evaluate("document.cookie") == ""
    me = await page.evaluate("fetch('api/me').then(answer => answer.json())")
    assert (me["name"], me["way"]) == ("ada of the issuer", "oidc")
    assert await page.evaluate("fetch('auth/logout', {method: 'POST'}).then(answer => answer.status)") == 204
    assert await page.evaluate("fetch('api/me').then(answer => answer.status)") == 401
