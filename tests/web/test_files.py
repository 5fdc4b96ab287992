"""A message with files in the page: each is a link by its name, and an edit keeps them."""

import pytest
from playwright.async_api import expect

from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat

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
    await expect(link).to_have_text("b>.txt")
    async with chat.page.expect_popup() as opened:
        await link.click()
    await expect((await opened.value).locator("body")).to_have_text("hello")
    await (await opened.value).close()
    await chat.user_messages.hover()
    await chat.user_messages.locator("[data-action=edit]").click()
    await chat.user_messages.get_by_role("textbox").fill("And now?")
    await chat.user_messages.get_by_role("textbox").press("Enter")
    await chat.answered("Second.")
    await expect(chat.user_messages.get_by_role("link")).to_have_text("b>.txt")
    assert script.prompts[1].messages[-1]["content"].endswith("hello\n```\n\nAnd now?")
