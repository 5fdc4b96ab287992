"""Languages of the page: chosen by the browser or the user, complete, and in either direction."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio

VIEWS = Path(__file__).parent.parent.parent / "web" / "src" / "view"
ENGLISH = re.compile(r"(?:aria-label|title|label|placeholder)=\"[A-Z]|>[A-Z][a-z]+[ a-z]*<")


@pytest.mark.parametrize("file", sorted(VIEWS.rglob("*.tsx")), ids=lambda file: file.name)
def test_words_stand_in_the_files_of_languages(file: Path) -> None:
    assert ENGLISH.findall(file.read_text("utf-8")) == []


async def test_the_browsers_language_is_used(browser: Browser, service: Service, script: Script) -> None:
    script.play([say("Hallo."), stop()])
    context = await browser.new_context(locale="de-AT")
    page = await context.new_page()
    await page.goto(service.url)
    await expect(page.locator(".greeting")).to_have_text("Was beschäftigt dich?")
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    await page.get_by_role("textbox", name="Nachricht", exact=True).fill("Guten Tag")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("button", name="Noch einmal antworten")).to_be_visible()
    await page.get_by_role("button", name="Einstellungen").click()
    await page.get_by_label("Sprache").select_option("English")
    await expect(page.get_by_role("button", name="Answer again")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Answer again")).to_be_visible()
    await context.close()


async def test_the_page_works_from_right_to_left(chat: Chat, script: Script) -> None:
    """No language of ours runs so yet: the layout is tried with the direction alone."""
    script.play([say("مرحبا"), stop()])
    await chat.say("שלום")
    await chat.answered("مرحبا")
    await chat.page.evaluate("document.documentElement.dir = 'rtl'")
    edges = "element => { const { left, right } = element.getBoundingClientRect(); return [left, right]; }"
    nav = await chat.page.get_by_role("navigation", name="Chats").evaluate(edges)
    assert nav[1] == 1200
    bubble, article = (
        await chat.user_messages.locator(".bubble").evaluate(edges),
        await chat.user_messages.evaluate(edges),
    )
    assert bubble[0] == article[0]
    await chat.press(chat.button("Options for שלום"))
    await expect(chat.button("Rename")).to_be_focused()  # it is in its place
    menu = await chat.page.locator(".menu:popover-open").evaluate(edges)
    assert menu[0] >= 0
    assert menu[1] <= 1200
    assert await chat.page.evaluate("document.documentElement.scrollWidth") == 1200
