"""The account: who one is, one's tokens and usage, and the end of everything; nothing of it on an open service."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Route, expect

from tests.script import Script, say, stop
from tests.service import Service, serving, settings
from tests.sign_in.test_ways_in import PROXY, bearer, user
from tests.web.chat import Chat
from tests.web.test_attaching import KEPT, attach, brought, payload
from tests.web.test_everyone import violations

pytestmark = pytest.mark.anyio

ADA = {"X-User": "Ada"}


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service behind a proxy that signs users in; the browser plays the proxy."""
    async with serving(settings(tmp_path, **PROXY), script) as service:
        yield service


@pytest.fixture
async def chat(context: BrowserContext, service: Service) -> Chat:
    """Ada's tab."""
    await context.set_extra_http_headers(ADA)
    return await Chat.open(context, service.url)


async def open_dialog(chat: Chat, item: str) -> Locator:
    """Open a dialog from the account's menu, and return it."""
    await chat.choose("Account of Ada", item)
    dialog = chat.page.get_by_role("dialog", name=item)
    await expect(dialog).to_be_visible()
    return dialog


async def make_token(tokens: Locator, name: str) -> str:
    """Make a token in the open dialog, and return its text."""
    await tokens.get_by_label("Name").fill(name)
    await tokens.get_by_role("button", name="Make a token").click()
    return await tokens.get_by_role("textbox", name=f"The text of the token {name}").input_value()


async def status_of(service: Service, token: str) -> int:
    return (await service.client.get("/api/me", headers=bearer(token))).status_code


async def test_an_open_service_has_no_account(context: BrowserContext, tmp_path: Path) -> None:
    async with serving(settings(f"sqlite:///{tmp_path}/open.db")) as service:
        page = await context.new_page()
        paths: list[str] = []
        page.on("request", lambda request: paths.append(request.url.removeprefix(service.url).partition("?")[0]))
        await page.goto(service.url)
        await expect(page.get_by_role("button", name="Tell me a joke about programmers.")).to_be_visible()
        await expect(page.get_by_role("button", name=re.compile("Account"))).to_have_count(0)
        asked = {path for path in paths if path.startswith("/api/")}
        assert asked == {"/api/assistants", "/api/assistants/default", "/api/events", "/api/models", "/api/sessions"}
        await page.close()


async def test_the_account_says_who_one_is_and_loads_late(chat: Chat) -> None:
    loaded = "performance.getEntriesByType('resource').filter(each => /dialogs-/.test(each.name)).length"
    assert await chat.page.evaluate(loaded) == 0
    account = await open_dialog(chat, "Account")
    for text in ("NameAda", "RoleUser", "Signed in byA proxy before this service"):
        await expect(account.locator("dl")).to_contain_text(text)
    assert await chat.page.evaluate(loaded) == 1
    await chat.page.keyboard.press("Escape")
    await expect(chat.button("Account of Ada")).to_be_focused()


async def test_a_token_is_shown_once_and_revoked(chat: Chat, service: Service) -> None:
    await chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tokens = await open_dialog(chat, "Tokens")
    await expect(tokens).to_contain_text("You have no tokens.")
    await tokens.get_by_label("Access").select_option("Read only")
    text = await make_token(tokens, "nightly")
    await expect(tokens).to_contain_text("It is shown this once")
    await expect(tokens.get_by_role("textbox")).to_be_focused()
    await tokens.get_by_role("button", name="Copy").click()
    await expect(tokens.get_by_role("button", name="Copied", exact=True)).to_be_visible()
    assert await chat.page.evaluate("navigator.clipboard.readText()") == text
    answer = await service.client.get("/api/me", headers=bearer(text))
    assert (answer.json()["way"], answer.json()["scope"]) == ("token", "read")
    await chat.page.keyboard.press("Escape")
    await open_dialog(chat, "Tokens")
    assert text not in await chat.page.content()
    await expect(tokens.get_by_role("listitem")).to_contain_text(re.compile(r"nightly.*Read only.*last used .*ends "))
    await tokens.get_by_role("button", name="Revoke nightly").click()
    await expect(tokens.get_by_role("button", name="Cancel")).to_be_focused()
    assert await status_of(service, text) == 200
    await tokens.get_by_role("button", name="Revoke", exact=True).click()
    await expect(tokens.get_by_role("listitem")).to_contain_text("revoked")
    assert await status_of(service, text) == 401


async def test_a_failure_in_a_dialog_is_told_there(chat: Chat) -> None:
    tokens = await open_dialog(chat, "Tokens")
    away = await chat.intercept("**/api/tokens", lambda route: route.abort())
    await tokens.get_by_label("Name").fill("nightly")
    await tokens.get_by_role("button", name="Make a token").click()
    told = tokens.get_by_role("alert").filter(has_text="No token was made: the service cannot be reached")
    await expect(told).to_be_visible()
    away.end()
    assert await make_token(tokens, "nightly")
    await expect(told).to_have_count(0)


async def test_everything_is_deleted_with_a_receipt(chat: Chat, script: Script, service: Service) -> None:
    script.play([say("Hi."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    await chat.box.fill("a secret draft")
    account = await open_dialog(chat, "Account")
    button = account.get_by_role("button", name="Delete everything of mine")
    await expect(button).to_be_disabled()
    await account.get_by_label("to confirm").fill("Delete Everything ")
    await button.click()
    await expect(chat.page.get_by_role("heading", name="Everything of yours is deleted")).to_be_visible()
    await expect(chat.page.get_by_role("listitem").first).to_have_text("1 chat")
    await expect(chat.page.get_by_role("listitem").nth(1)).to_have_text("2 messages")
    await chat.page.reload()
    await chat.button("Begin anew").click()
    await expect(chat.box).to_have_value("")
    await expect(chat.sessions).to_have_count(0)
    assert (await service.client.get("/api/sessions", headers=user("Ada"))).json()["data"] == []


async def test_a_deletion_that_fails_leaves_one_in_place(chat: Chat) -> None:
    account = await open_dialog(chat, "Account")
    await chat.intercept("**/api/me", lambda route: route.fulfill(status=503))
    await account.get_by_label("to confirm").fill("delete everything")
    await account.get_by_role("button", name="Delete everything of mine").click()
    await expect(account.get_by_role("alert")).to_contain_text("Not everything could be deleted; try again")
    await expect(account.get_by_role("button", name="Delete everything of mine")).to_be_enabled()


async def test_another_tab_says_farewell_too(chat: Chat, context: BrowserContext, service: Service) -> None:
    other = await Chat.open(context, service.url)
    account = await open_dialog(chat, "Account")
    await account.get_by_label("to confirm").fill("delete everything")
    await account.get_by_role("button", name="Delete everything of mine").click()
    await expect(other.page.get_by_role("heading", name="Everything of yours is deleted")).to_be_visible()


async def test_a_proxy_that_forgot_one_is_gone_back_to(chat: Chat, context: BrowserContext, script: Script) -> None:
    script.play([say("Hi."), stop()], [say("Back."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    await context.set_extra_http_headers({})
    await chat.say("are you there?")
    await expect(chat.page.get_by_text("You are signed out.")).to_have_count(1)
    await expect(chat.page.get_by_role("alert")).to_have_count(0)
    await chat.box.fill("half a thou")
    await context.set_extra_http_headers(ADA)
    await chat.button("Sign in").click()
    await chat.answered("Back.")
    await expect(chat.box).to_have_value("half a thou")
    await expect(chat.user_messages).to_have_count(2)


async def test_another_user_finds_nothing_of_the_first(chat: Chat, context: BrowserContext, service: Service) -> None:
    await chat.box.fill("a secret draft")
    await attach(chat, payload("secret.txt", b"a secret file"))
    await brought(chat)
    await chat.intercept("**/api/sessions", lambda route: route.abort())
    other = await Chat.open(context, service.url)
    await other.intercept("**/api/sessions", lambda route: route.abort())
    await other.say("a secret message")
    await expect(other.user_messages).to_contain_text("The service cannot be reached.")
    await context.set_extra_http_headers({"X-User": "Eve"})
    async with chat.page.expect_navigation():  # the first tab follows to the new user by itself
        eve = await Chat.open(context, service.url)
    await expect(eve.button("Account of Eve")).to_be_visible()
    await expect(chat.button("Account of Eve")).to_be_visible()
    for tab in (eve, chat):
        await expect(tab.box).to_have_value("")
    stored = await eve.page.evaluate("JSON.stringify(localStorage)")
    assert "secret" not in stored
    await eve.page.wait_for_function(f"({KEPT})().then(kept => kept[0] === 0 && kept[1].length === 0)")
    assert (await service.client.get("/api/sessions", headers=user("Eve"))).json()["data"] == []


async def test_the_account_works_with_the_keyboard_alone(chat: Chat, service: Service) -> None:
    keys = chat.page.keyboard
    await chat.press(chat.button("Account of Ada"))
    await expect(chat.button("Account")).to_be_focused()
    await keys.press("Tab")
    await expect(chat.button("Tokens")).to_be_focused()
    await keys.press("Enter")
    await expect(chat.button("Close")).to_be_focused()
    await keys.press("Tab")
    await expect(chat.page.get_by_label("Name")).to_be_focused()
    await keys.type("by hand")
    await keys.press("Enter")
    secret = chat.page.get_by_role("textbox", name="The text of the token by hand")
    await expect(secret).to_be_focused()
    text = await secret.input_value()
    await keys.press("Tab")
    await expect(chat.button("Copy")).to_be_focused()
    await keys.press("Tab")
    await expect(chat.button("I have copied it")).to_be_focused()
    await keys.press("Enter")
    await expect(chat.page.get_by_label("Name")).to_be_focused()
    await chat.press(chat.button("Revoke by hand"))
    await expect(chat.button("Cancel")).to_be_focused()
    await keys.press("Enter")
    await expect(chat.button("Revoke by hand")).to_be_focused()
    await keys.press("Enter")
    await expect(chat.button("Cancel")).to_be_focused()
    await keys.press("Tab")
    await keys.press("Enter")
    await expect(chat.page.get_by_role("listitem").filter(has_text="revoked")).to_be_focused()
    assert await status_of(service, text) == 401
    await keys.press("Escape")
    await expect(chat.button("Account of Ada")).to_be_focused()


SMALL = """() => [...document.querySelectorAll("dialog button, dialog input, dialog select, .menu:popover-open button")]
    .filter(each => each.checkVisibility())
    .map(each => [each.getBoundingClientRect(), each])
    .filter(([{ width, height }]) => width < 44 || height < 44)
    .map(([{ width, height }, each]) => `${width} by ${height}: ${each.outerHTML.slice(0, 80)}`)"""
"""The controls of a dialog or menu that are too small for a finger."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
async def test_axe_and_fingers_find_nothing_wrong(
    browser: Browser, service: Service, scheme: Literal["light", "dark"], width: int
) -> None:
    is_phone = width < 500
    context = await browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce",
        extra_http_headers=ADA, has_touch=is_phone, is_mobile=is_phone,
    )  # fmt: skip
    chat = await Chat.open(context, service.url)

    async def look() -> None:
        assert await violations(chat.page) == []
        assert not is_phone or await chat.page.evaluate(SMALL) == []
        assert await chat.page.evaluate("document.querySelector('dialog')?.scrollWidth ?? 0") <= width

    if is_phone:
        await chat.button("Chats").tap()
    await chat.button("Account of Ada").click()
    await expect(chat.page.locator(".menu:popover-open")).to_be_visible()
    await look()
    await chat.page.keyboard.press("Escape")
    tokens = await open_dialog(chat, "Tokens")
    for name in ("one", "two"):
        await make_token(tokens, name)
        await look()
        await tokens.get_by_role("button", name="I have copied it").click()
    await tokens.get_by_role("button", name="Revoke one").click()
    await tokens.get_by_role("button", name="Revoke", exact=True).click()
    await tokens.get_by_role("button", name="Revoke two").click()
    await expect(tokens.get_by_role("listitem").filter(has_text="revoked")).to_have_count(1)
    await look()
    await chat.page.keyboard.press("Escape")
    account = await open_dialog(chat, "Account")
    await look()
    await account.get_by_label("to confirm").fill("delete everything")
    await look()
    await account.get_by_role("button", name="Delete everything of mine").click()
    await expect(chat.button("Begin anew")).to_be_visible()
    await look()
    await context.close()


DAYS = [
    {"key": "2026-11-28", "runs": 1, "input_tokens": 900, "output_tokens": 100, "cost": 1_500_000, "unpriced_calls": 0},
    {"key": "2026-11-30", "runs": 2, "input_tokens": 3_000, "output_tokens": 50, "cost": 0, "unpriced_calls": 2},
]
MODELS = [{**DAYS[0], "key": "fast"}, {**DAYS[1], "key": "big"}]
LIMITS = {"open_runs": None, "messages_hour": None, "tokens_day": 4_000, "cost_day": 2_000_000_000}
USED = {"open_runs": 1, "messages_hour": 2, "tokens_day": 3_050, "cost_day": 500_000_000}


async def answer_usage(context: BrowserContext) -> None:
    """Answer as a service does that has limits and counts what is used (`docs/http-api.md`)."""

    async def answer_me(route: Route) -> None:
        me = await (await route.fetch()).json()
        await route.fulfill(json={**me, "limits": LIMITS, "used": USED})

    async def answer_rows(route: Route) -> None:
        rows = MODELS if route.request.url.endswith("by=model") else DAYS
        await route.fulfill(json={"currency": "USD", "data": rows, "next": None})

    await context.route("**/api/me", answer_me)
    await context.route("**/api/me/usage?*", answer_rows)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
async def test_usage_is_shown_by_day_and_by_model(
    context: BrowserContext, service: Service, scheme: Literal["light", "dark"], width: int
) -> None:
    await context.set_extra_http_headers(ADA)
    await answer_usage(context)
    chat = await Chat.open(context, service.url)
    await chat.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await chat.page.set_viewport_size({"width": width, "height": 740})
    if width == 360:
        await chat.button("Chats").click()
    usage = await open_dialog(chat, "Usage")
    await expect(usage.locator("dl > div")).to_have_text(["Tokens today3,050 of 4,000", "Cost today$0.50 of $2.00"])
    by_day, by_model = usage.get_by_role("table").first, usage.get_by_role("table").last
    await expect(by_day.get_by_role("row")).to_have_text(
        ["DayAnswersTokensCost", "Nov 3023,050unknown", "Nov 2811,000$0.0015"]
    )
    await expect(by_model.get_by_role("row")).to_have_text(
        ["ModelAnswersTokensCost", "fast11,000$0.0015", "big23,050unknown"]
    )
    await expect(usage).to_contain_text("Without 2 calls of models whose price is not known.")
    assert await violations(chat.page) == []
    assert await usage.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
