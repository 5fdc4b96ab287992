"""A document of `write_document` is shown as a document."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.script import Script, call, stop
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio

FIRST: dict[str, Any] = {
    "title": "Bees & more",
    "body": "# Plan\n\nA **short** walk.",
    "note": "I assumed one hour.",
    "quotes": [],
}
SECOND: dict[str, Any] = {
    "title": "Bees & more",
    "body": "# Plan\n\nA **long** walk home.",
    "note": "Longer.",
    "quotes": [],
}


@pytest.fixture
async def two_versions(chat: Chat, script: Script) -> Chat:
    """Return a chat with a document and its second version."""
    script.play(*([call("write_document", fields), stop("tool_calls")] for fields in (FIRST, SECOND)))
    await chat.page.get_by_role("radio", name="scribe").check()
    await chat.say("write")
    await chat.answered("I assumed one hour.")
    await chat.say("longer")
    await chat.answered("Longer.")
    return chat


async def test_a_document_is_formatted_copied_and_downloaded(two_versions: Chat) -> None:
    chat = two_versions
    await chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    card = chat.answers.first.get_by_role("region", name="Bees & more")
    await expect(card.locator(".prose strong")).to_have_text("short")
    await expect(card.get_by_role("heading", name="Plan")).to_be_visible()
    await card.get_by_role("button", name="Copy").click()
    await expect(card.get_by_role("button", name="Copied")).to_be_visible()
    assert await chat.page.evaluate("navigator.clipboard.readText()") == FIRST["body"]
    async with chat.page.expect_download() as download:
        await card.get_by_role("button", name="Download").click()
    file = await download.value
    assert file.suggested_filename == "Bees-more.md"
    assert await asyncio.to_thread(Path(await file.path()).read_text, "utf-8") == FIRST["body"]


async def test_versions_are_walked_and_changes_marked_by_words(two_versions: Chat) -> None:
    card = two_versions.answers.last.get_by_role("region", name="Bees & more")
    await card.get_by_role("button", name="Changes").click()
    await expect(card.locator("del")).to_have_text(["short"])
    await expect(card.locator("ins")).to_contain_text(["long"])
    await card.get_by_role("button", name="Document before").click()
    await expect(card.locator(".prose")).to_contain_text("A short walk.")
    await expect(card.locator("header")).to_contain_text("1/2")
    await expect(card.get_by_role("button", name="Changes")).to_have_count(0)
