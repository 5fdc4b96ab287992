"""Files in messages: pictures that open large, cards by which others open; an edit keeps them."""

import asyncio
from typing import Literal

import pytest
from playwright.async_api import Browser, Route, ViewportSize, expect

from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat
from tests.web.test_attaching import DRAG, attach, brought, payload, picture
from tests.web.test_everyone import DESKTOP, PHONE, violations

pytestmark = pytest.mark.anyio


async def test_a_message_shows_its_files_and_an_edit_keeps_them(chat: Chat, service: Service, script: Script) -> None:
    script.play([say("First."), stop()], [say("Second."), stop()])
    name = "<b>notes</b>.txt"
    brought = await service.client.post("/api/files", files={"file": (name, b"hello")})
    session_id = await service.session()
    await service.send(
        session_id, [{"type": "file", "file_id": brought.json()["id"]}, {"type": "text", "text": "What is it?"}]
    )
    await chat.page.goto(f"{service.url}/#{session_id}")
    link = chat.user_messages.get_by_role("link")
    await expect(link).to_have_text("b>.txtTXT · 5 bytes")
    async with chat.page.expect_popup() as opened:
        await link.click()
    await expect((await opened.value).locator("body")).to_have_text("hello")
    await (await opened.value).close()
    await chat.user_messages.hover()
    await chat.user_messages.locator("[data-action=edit]").click()
    await chat.user_messages.get_by_role("textbox").fill("And now?")
    await chat.user_messages.get_by_role("textbox").press("Enter")
    await chat.answered("Second.")
    await expect(chat.user_messages.get_by_role("link")).to_contain_text("b>.txt")
    assert script.prompts[1].messages[-1]["content"].endswith("hello\n```\n\nAnd now?")


async def bring(service: Service, name: str, content: bytes) -> dict[str, str]:
    """Bring a file, and return the part by which a message names it."""
    answer = await service.client.post("/api/files", files={"file": (name, content)})
    assert answer.status_code in (200, 201), answer.text
    return {"type": "file", "file_id": answer.json()["id"], "name": name}


@pytest.fixture
async def gallery(chat: Chat, service: Service, script: Script) -> Chat:
    """A chat with two pictures in one message, and one in the next."""
    script.play([say("Two."), stop()], [say("One more."), stop()])
    session_id = await service.session()
    pictures = [await bring(service, f"{name}.png", picture(*size)) for name, size in SIZES.items()]
    await service.send(session_id, [*pictures[:2], {"type": "text", "text": "these"}])
    await service.send(session_id, [pictures[2]])
    await chat.page.goto(f"{service.url}/#{session_id}")
    await chat.answered("One more.")
    return chat


SIZES = {"first": (1600, 900), "second": (300, 1200), "third": (640, 480)}


async def test_the_viewer_goes_by_keys_from_picture_to_picture(gallery: Chat) -> None:
    opener = gallery.button("Show first.png")
    await gallery.press(opener)
    viewer = gallery.page.get_by_role("dialog", name="Picture")
    title, shown = viewer.get_by_role("heading"), viewer.get_by_role("img")
    await expect(title).to_have_text("first.png")
    await expect(viewer.get_by_text("1 of 3")).to_be_visible()
    await expect(viewer.get_by_role("button", name="Picture before")).to_have_count(0)
    for name in ("second.png", "third.png", "third.png"):  # it ends there
        await gallery.page.keyboard.press("ArrowRight")
        await expect(title).to_have_text(name)
        await expect(shown).to_have_attribute("alt", name)
    await expect(shown).to_have_js_property("naturalWidth", 640)
    await viewer.get_by_role("button", name="Picture before").click()
    await expect(title).to_have_text("second.png")
    await gallery.page.keyboard.press("Escape")
    await expect(viewer).to_have_count(0)
    await expect(opener).to_be_focused()


async def test_the_viewer_zooms(gallery: Chat) -> None:
    await gallery.button("Show first.png").click()
    viewer = gallery.page.get_by_role("dialog", name="Picture")
    shown = viewer.get_by_role("img")

    async def width() -> float:
        box = await shown.bounding_box()
        assert box is not None
        return box["width"]

    await expect(shown).to_have_attribute("width", "1168")  # as large as the window, with a margin
    for key, text in (("+", "125 %"), ("+", "156 %"), ("-", "125 %"), ("0", "100 %")):
        await gallery.page.keyboard.press(key)
        await expect(viewer.get_by_title("As large as the window (0)")).to_have_text(text)
    await shown.dblclick()
    await expect(shown).to_have_attribute("width", "2920")
    assert await width() == 2920
    await gallery.page.keyboard.press("ArrowRight")  # moves the large picture
    await expect(viewer.get_by_role("heading")).to_have_text("first.png")
    await shown.dblclick()
    await expect(shown).to_have_attribute("width", "1168")
    await gallery.page.mouse.move(600, 400)
    await gallery.page.mouse.wheel(0, -100)
    await expect(shown).to_have_attribute("width", "1500")
    await gallery.page.mouse.wheel(0, 500)
    await expect(shown).to_have_attribute("width", "1168")


async def test_a_picture_in_the_viewer_is_saved(gallery: Chat) -> None:
    await gallery.button("Show second.png").click()
    async with gallery.page.expect_download() as saved:
        await gallery.page.get_by_role("link", name="Download").click()
    assert (await saved.value).suggested_filename == "second.png"


async def test_nothing_jumps_when_pictures_come(chat: Chat, service: Service, script: Script) -> None:
    gate = asyncio.Event()

    async def hold(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    script.play([say("Here."), stop()])
    session_id = await service.session()
    await service.send(session_id, [await bring(service, "tall.png", picture(300, 1200))])
    await chat.intercept("**/thumbnail?*", hold)
    await chat.page.goto(f"{service.url}/#{session_id}")
    await chat.answered("Here.")
    shown = chat.button("Show tall.png")
    before = await shown.bounding_box()
    gate.set()
    await expect(shown.get_by_role("img", include_hidden=True)).to_have_js_property("complete", value=True)
    assert await shown.bounding_box() == before
    assert before is not None
    assert 255 < before["height"] < 265


async def test_a_picture_that_cannot_be_shown_is_a_card(chat: Chat, service: Service, script: Script) -> None:
    script.play([say("Here."), stop()])
    session_id = await service.session()
    await service.send(session_id, [await bring(service, "sea.png", picture())])
    await chat.intercept("**/thumbnail?*", lambda route: route.fulfill(status=404))
    await chat.page.goto(f"{service.url}/#{session_id}")
    await expect(chat.user_messages.get_by_role("link")).to_contain_text("sea.pngPNG")


async def test_the_saved_chat_names_its_files(gallery: Chat) -> None:
    async with gallery.page.expect_download() as saved:
        await gallery.choose("This chat", "Save as Markdown")
    text = (await (await saved.value).path()).read_text("utf-8")
    assert text.count("*File: ") == 3
    assert "*File: first.png*" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE, {"width": 360, "height": 740}], ids=["desktop", "phone", "small"])
async def test_axe_finds_no_violation_with_files(
    browser: Browser, service: Service, script: Script, scheme: Literal["light", "dark"], size: ViewportSize
) -> None:
    script.play([say("Seen."), stop()])
    context = await browser.new_context(color_scheme=scheme, viewport=size, reduced_motion="reduce")
    chat = await Chat.open(context, service.url)
    await attach(
        chat,
        payload("a very long name of a picture that goes on and on and on.png", picture(), "image/png"),
        payload("damaged.png", b"\x89PNG\r\n\x1a\nno", "image/png"),
        *[payload(f"{number}.txt", str(number).encode()) for number in range(8)],
    )
    await brought(chat, 10)
    await expect(chat.page.get_by_text("Damaged, or not")).to_be_visible()
    assert await violations(chat.page) == []
    await chat.button("Remove damaged.png").click()
    await chat.say("look")
    await chat.answered("Seen.")
    assert await violations(chat.page) == []
    assert await chat.page.evaluate("document.documentElement.scrollWidth") == size["width"]
    await chat.page.evaluate(DRAG, ["dragenter", ".thread"])
    await expect(chat.page.locator(".drop-target")).to_be_visible()
    assert await violations(chat.page) == []
    await chat.page.evaluate(DRAG, ["dragleave", ".drop-target"])
    await chat.page.get_by_role("button", name="Show a very long").click()
    await expect(chat.page.locator(".viewer")).to_be_visible()
    assert await violations(chat.page) == []
    await context.close()
