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


@pytest.fixture
async def chat(service: Service, context: BrowserContext) -> Chat:
    """The tab of a browser in which Ada has signed in."""
    page = await context.new_page()
    await page.goto(f"{service.url}/")
    await page.get_by_placeholder("Enter any login").fill("ada")
    await page.get_by_placeholder("and password").fill("x")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()
    await expect(page).to_have_title("New chat · chatkeep")
    return Chat(page)


MENU = "Account of ada of the issuer"
END_SIGN_IN = "fetch('auth/logout', {method: 'POST'}).then(answer => answer.status)"


async def test_a_browser_signs_in_talks_and_is_signed_out(chat: Chat, context: BrowserContext, script: Script) -> None:
    script.play([say("Hello, Ada."), stop()])
    page = chat.page
    await chat.say("Hi")
    await chat.answered("Hello, Ada.")
    cookies = {each.get("name"): each for each in await context.cookies()}
    cookie = cookies["__Host-chatkeep"]
    assert (cookie.get("httpOnly"), cookie.get("secure"), cookie.get("sameSite")) == (True, True, "Lax")
    assert await page.evaluate("document.cookie") == ""
    me = await page.evaluate("fetch('api/me').then(answer => answer.json())")
    assert (me["name"], me["way"]) == ("ada of the issuer", "oidc")
    await chat.choose(MENU, "Sign out")
    await expect(page.get_by_role("heading", name="You are signed out.")).to_be_visible()
    assert await page.evaluate("fetch('api/me').then(answer => answer.status)") == 401


async def test_one_who_signs_out_stays_signed_out_in_all_tabs(
    chat: Chat, context: BrowserContext, service: Service
) -> None:
    """The issuer still knows them, and would sign them in again at once."""
    other = await Chat.open(context, service.url)
    await other.box.fill("a secret draft")
    await chat.choose(MENU, "Sign out")
    later = await context.new_page()
    for page in (chat.page, other.page, later):
        if page is later:
            await page.goto(service.url)
        await expect(page.get_by_role("heading", name="You are signed out.")).to_be_visible()
    assert "secret" not in await chat.page.evaluate("JSON.stringify(localStorage)")
    await chat.button("Sign in").click()
    await expect(chat.button(MENU)).to_be_visible()
    await later.reload()
    await expect(later.get_by_role("button", name=MENU)).to_be_visible()


async def test_unsent_messages_are_not_lost_unasked(chat: Chat, context: BrowserContext) -> None:
    await chat.intercept("**/api/sessions", lambda route: route.abort())
    await chat.say("from the tunnel")
    await expect(chat.user_messages).to_contain_text("The service cannot be reached.")
    await chat.choose(MENU, "Sign out")
    asks = chat.page.get_by_role("dialog", name="Sign out")
    await expect(asks).to_contain_text("1 message has not been sent yet.")
    await asks.get_by_role("button", name="Cancel").click()
    await expect(chat.user_messages).to_contain_text("from the tunnel")
    await chat.choose(MENU, "Sign out")
    await asks.get_by_role("button", name="Sign out").click()
    await expect(chat.page.get_by_role("heading", name="You are signed out.")).to_be_visible()


async def test_one_who_is_signed_out_comes_back_to_their_draft(chat: Chat, script: Script) -> None:
    script.play([say("Hello, Ada."), stop()], [say("Welcome back."), stop()])
    await chat.say("Hi")
    await chat.answered("Hello, Ada.")
    address = chat.page.url
    await chat.box.fill("half a thou")
    async with chat.page.expect_request("**/auth/callback?*"):  # the issuer still knows them, and sends them back
        assert await chat.page.evaluate(END_SIGN_IN) == 204
    await chat.answered("Hello, Ada.")
    assert chat.page.url == address
    await expect(chat.box).to_have_value("half a thou")
    events = await chat.intercept("**/events?*", lambda route: route.abort())  # so that sending is the first to notice
    assert await chat.page.evaluate(END_SIGN_IN) == 204
    async with chat.page.expect_request("**/auth/callback?*"):
        await chat.say("half a thought")
    events.end()
    await chat.answered("Welcome back.")
    await expect(chat.user_messages).to_have_count(2)
    await expect(chat.page.get_by_role("alert")).to_have_count(0)
