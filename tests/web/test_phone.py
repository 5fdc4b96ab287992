"""A phone: touch, no keyboard beside the screen, little room."""

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, expect

from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio


@pytest.fixture
async def phone(browser: Browser, service: Service) -> AsyncGenerator[Chat]:
    """The client on a phone."""
    context = await browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield await Chat.open(context, service.url)
    await context.close()


async def test_enter_on_a_phone_is_a_new_line(phone: Chat, script: Script) -> None:
    script.play([say("Two lines."), stop()], [say("Three."), stop()])
    await phone.box.press_sequentially("one\ntwo")
    await expect(phone.box).to_have_value("one\ntwo")
    await expect(phone.box).to_have_attribute("enterkeyhint", "enter")
    await phone.button("Send").tap()
    await phone.answered("Two lines.")
    await phone.user_messages.get_by_role("button", name="Edit").tap()
    await phone.page.keyboard.press("Enter")
    await phone.page.keyboard.type("three")
    await phone.page.locator(".editor").get_by_role("button", name="Send").tap()
    await phone.answered("Three.")
    assert [prompt.messages[-1]["content"] for prompt in script.prompts] == ["one\ntwo", "one\ntwo\nthree"]
