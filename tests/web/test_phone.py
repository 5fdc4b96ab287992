"""A phone: touch, no keyboard beside the screen, little room."""

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, expect

from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat
from tests.web.test_attaching import brought, payload, picture

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
    await expect(phone.editor).to_be_focused()
    await phone.page.keyboard.press("Enter")
    await phone.page.keyboard.type("three")
    await phone.page.locator(".editor").get_by_role("button", name="Send").tap()
    await phone.answered("Three.")
    assert [prompt.messages[-1]["content"] for prompt in script.prompts] == ["one\ntwo", "one\ntwo\nthree"]


async def test_a_phone_can_rename_and_delete_any_chat(phone: Chat, service: Service) -> None:
    for title in ("second", "first"):
        await service.session(title=title)
    await phone.page.reload()
    await phone.button("Chats").tap()
    await phone.button("Options for second").tap()
    await phone.button("Rename").tap()
    await phone.type_title("renamed")
    await phone.button("Options for renamed").tap()
    await phone.button("Delete").tap()
    await expect(phone.sessions).to_have_text(["first"])


async def test_a_finger_hits_every_control(phone: Chat, script: Script) -> None:
    script.play([say("Hi."), stop()])
    await phone.say("hello")
    await phone.answered("Hi.")
    await phone.button("Chats").tap()
    await expect(phone.sessions).to_have_text("hello")
    small: list[str] = await phone.page.evaluate("""() => [...document.querySelectorAll("button, a, select, .composer")]
        .filter(each => each.checkVisibility() && !each.matches(".skip"))
        .map(each => [each.getBoundingClientRect(), each])
        .filter(([{ width, height }]) => width < 44 || height < 44)
        .map(([{ width, height }, each]) => `${width} by ${height}: ${each.outerHTML.slice(0, 80)}`)""")
    assert small == []


async def test_dialogs_on_a_phone_leave_the_list_open(phone: Chat, service: Service) -> None:
    await service.session(title="first")
    await phone.page.reload()
    await phone.button("Chats").tap()
    await phone.button("Settings").tap()
    await expect(phone.page.get_by_role("dialog", name="Settings")).to_be_visible()
    await phone.page.keyboard.press("Escape")
    await expect(phone.page.get_by_role("dialog")).to_have_count(0)
    await expect(phone.sessions).to_have_text(["first"])
    assert await phone.page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_a_phone_attaches_from_its_camera_or_its_files(phone: Chat, script: Script) -> None:
    script.play([say("A photo and a file."), stop()])
    await phone.button("Attach files").tap()
    async with phone.page.expect_file_chooser() as camera:
        await phone.button("Take a photo").tap()
    photo = (await camera.value).element
    assert [await photo.get_attribute(name) for name in ("accept", "capture")] == ["image/*", "environment"]
    await (await camera.value).set_files([payload("photo.png", picture(), "image/png")])
    await phone.button("Attach files").tap()
    async with phone.page.expect_file_chooser() as chosen:
        await phone.button("Choose files").tap()
    assert (await chosen.value).is_multiple()
    await (await chosen.value).set_files([payload("note.txt", b"note")])
    await brought(phone, 2)
    await phone.button("Send").tap()
    await phone.answered("A photo and a file.")
    assert await phone.page.evaluate("document.documentElement.scrollWidth") <= 390
