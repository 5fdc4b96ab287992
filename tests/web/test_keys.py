"""Keys and settings: what they do, and that they last."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio


async def test_escape_stops_and_the_arrow_edits(chat: Chat, script: Script) -> None:
    script.play([say("Once upon"), asyncio.Event()], [say("Another."), stop()])
    await chat.say("a story")
    await expect(chat.answers).to_contain_text("Once upon")
    await chat.page.keyboard.press("Escape")
    await chat.answered("Stopped.")
    await chat.box.fill("a draft")
    await chat.box.press("ArrowUp")
    await chat.drawn()
    await expect(chat.editor).to_have_count(0)
    await chat.box.fill("")
    await chat.box.press("ArrowUp")
    await expect(chat.editor).to_be_focused()
    await expect(chat.editor).to_have_value("a story")
    await chat.editor.fill("another story")
    await chat.editor.press("Enter")
    await chat.answered("Another.")


async def test_escape_in_a_menu_or_editor_stops_nothing(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Hi."), stop()], [say("Long "), gate, say("done."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    await chat.say("again")
    await expect(chat.answers.last).to_contain_text("Long")
    await chat.press(chat.button("Options for hello"))
    await expect(chat.button("Rename")).to_be_focused()
    await chat.page.keyboard.press("Escape")
    await expect(chat.button("Options for hello")).to_be_focused()
    await chat.edit(chat.user_messages.first)
    await chat.page.keyboard.press("Escape")
    await expect(chat.editor).to_have_count(0)
    await chat.page.keyboard.press("?")
    await expect(chat.page.get_by_role("dialog", name="Keys")).to_be_visible()
    await chat.page.keyboard.press("Escape")
    await expect(chat.page.get_by_role("dialog")).to_have_count(0)
    gate.set()
    await chat.answered("Long done.")


async def test_keys_search_begin_and_list(chat: Chat, script: Script) -> None:
    script.play([say("Hi."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    await chat.page.keyboard.press("Control+k")
    await expect(chat.page.get_by_role("searchbox")).to_be_focused()
    await chat.page.keyboard.press("Control+Shift+O")
    await expect(chat.page.locator(".greeting")).to_be_visible()
    await expect(chat.box).to_be_focused()
    await chat.box.press("?")
    await expect(chat.box).to_have_value("?")
    await chat.box.press("Control+/")
    keys = chat.page.get_by_role("dialog", name="Keys")
    await expect(keys).to_contain_text("Stop the answer")
    await keys.get_by_role("button", name="Close").click()
    await expect(chat.box).to_be_focused()


async def test_settings_count_at_once_and_last(chat: Chat, script: Script) -> None:
    script.play([say("Sent."), stop()])
    await chat.button("Settings").click()
    dialog = chat.page.get_by_role("dialog", name="Settings")
    await dialog.get_by_label("Theme").select_option("Dark")
    await dialog.get_by_label("Text size").select_option("Larger")
    await dialog.get_by_label("Send with").select_option("Ctrl+Enter")
    for _ in range(2):
        await expect(chat.page.locator("html")).to_have_css("color-scheme", "dark")
        await expect(chat.page.locator("html")).to_have_css("font-size", "20px")
        await chat.page.reload()
    await chat.box.press_sequentially("one")
    await chat.box.press("Enter")
    await chat.box.press_sequentially("two")
    await expect(chat.box).to_have_value("one\ntwo")
    await chat.box.press("Control+Enter")
    await chat.answered("Sent.")


async def test_the_assistant_is_named_chosen_and_remembered(chat: Chat, script: Script, service: Service) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()])
    assistant = chat.page.get_by_role("combobox", name="Assistant")
    await expect(chat.page.get_by_role("radio").first).to_have_accessible_name(re.compile("^default "))
    await chat.page.get_by_role("radio", name="scribe").check()
    await chat.page.reload()
    await expect(assistant).to_have_value("scribe")
    await expect(chat.page.get_by_role("radio", name="scribe")).to_be_checked()
    await chat.say("first")
    await chat.answered("One.")
    await chat.select(assistant, "default")
    await chat.say("second")
    await chat.answered("Two.")
    await chat.answers.last.get_by_role("button", name="About this answer").click()
    await chat.button("What the model was told").click()
    prompt = chat.page.get_by_role("dialog", name="What the model was told")
    await expect(prompt).to_contain_text("System prompt of default")
    await expect(prompt.locator("summary").first).to_have_text("explain_joke")
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    assert session["assistant"] == "default"


async def test_a_chat_is_saved_as_markdown_and_json(chat: Chat, script: Script, tmp_path: Path) -> None:
    script.play([say("Some *text*."), stop()], [say("Other."), stop()])
    await chat.say("hello/there")
    await chat.answered("Some text.")
    await chat.done(chat.answers).click()
    await chat.answered("Other.")
    files: dict[str, str] = {}
    for item in ("Save as Markdown", "Save as JSON"):
        async with chat.page.expect_download() as download:
            await chat.choose("This chat", item)
        await (await download.value).save_as(tmp_path / "file")
        files[(await download.value).suggested_filename] = (tmp_path / "file").read_text("utf-8")
    markdown, stored = files["hello-there.md"], json.loads(files["hello-there.json"])
    assert markdown.startswith("# hello/there\n\n## You said\n\n*")
    assert "\n\nOther.\n" in markdown
    assert [message["role"] for message in stored["messages"]] == ["user", "assistant", "assistant"]
    assert stored["session"]["title"] == "hello/there"


async def test_a_chat_is_printed_whole(chat: Chat, script: Script) -> None:
    script.play([say("\n\n".join(f"Paragraph {number}." for number in range(120))), stop()])
    await chat.say("\n".join(f"line {number}" for number in range(50)))
    await chat.answered("Paragraph 119.")
    await chat.page.emulate_media(media="print")
    height = await chat.page.evaluate("document.documentElement.scrollHeight")
    assert height > 4_000
    await expect(chat.box).to_be_hidden()
    await expect(chat.page.get_by_role("navigation", name="Chats")).to_be_hidden()
    pdf = await chat.page.pdf()
    assert pdf.count(b"/Type /Page\n") >= 4


async def test_a_long_message_is_folded(chat: Chat, script: Script) -> None:
    script.play([say("Read."), stop()])
    await chat.say("\n".join(f"line {number}" for number in range(200)))
    await chat.answered("Read.")
    bubble = chat.user_messages.locator(".bubble")
    height = "element => element.getBoundingClientRect().height"
    assert await bubble.evaluate(height) < 250
    await chat.button("Show all of it").click()
    await expect(chat.button("Show less")).to_be_visible()
    assert await bubble.evaluate(height) > 4_000
    await chat.button("Show less").click()
    await expect(chat.button("Show all of it")).to_be_visible()
    assert await bubble.evaluate(height) < 250


async def test_the_practice_model_is_announced(chat: Chat) -> None:
    await expect(chat.page.get_by_text("No model is connected: the practice model answers")).to_be_visible()


async def test_a_setting_of_another_tab_counts_here(chat: Chat, context: BrowserContext, service: Service) -> None:
    other = await Chat.open(context, service.url)
    await other.button("Settings").click()
    await other.page.get_by_label("Theme").select_option("Dark")
    await expect(chat.page.locator("html")).to_have_attribute("data-theme", "dark")
