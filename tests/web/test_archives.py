"""Chats as files: one or all are saved, and a file of them is imported with a report."""

import json
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.archives import samples
from tests.script import Script, say, stop
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio


async def test_chats_are_saved_and_imported(chat: Chat, script: Script, tmp_path: Path) -> None:
    script.play([say("Across."), stop()])
    await chat.say("why?")
    await chat.answered("Across.")
    for item, ending, words in (("HTML", ".html", "<!DOCTYPE html>"), ("an archive", ".jsonl", "chatkeep.export")):
        async with chat.page.expect_download() as download:
            await chat.choose("This chat", f"Save as {item}")
        file = await download.value
        assert file.suggested_filename.endswith(ending)
        await file.save_as(tmp_path / "file")
        assert words in (tmp_path / "file").read_text("utf-8")
    await chat.button("Settings").click()
    dialog = chat.page.get_by_role("dialog", name="Settings")
    async with chat.page.expect_download() as download:
        await dialog.get_by_role("link", name="Save all chats").click()
    assert (await download.value).suggested_filename == "chatkeep.jsonl"
    (tmp_path / "claude.json").write_text(json.dumps(samples.claude()))
    for words in ("1 chats with 3 messages were imported.", "1 chats were here already."):
        await dialog.locator("input[type=file]").set_input_files(tmp_path / "claude.json")
        await expect(dialog.get_by_role("status")).to_contain_text(words)
    await expect(dialog.get_by_role("status")).to_contain_text("Not taken: part (tool): 1")
    await dialog.locator("input[type=file]").set_input_files({"name": "x", "mimeType": "", "buffer": b"x"})
    await expect(dialog.get_by_role("status")).to_contain_text("The chats could not be imported")
