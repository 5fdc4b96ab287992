"""Files come into a message: chosen, pasted or dropped; brought to the service once, whatever happens on the way."""

import asyncio
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import BrowserContext, FilePayload, Route, expect

from tests.script import Script, say, stop
from tests.service import Service, serving, settings
from tests.web.chat import Chat
from tests.web.test_lossless import free_port
from tests.web.test_lossless import serving as service_on

pytestmark = pytest.mark.anyio

CLIPBOARD = """async ({ types, files }) => {
    const data = new DataTransfer();
    for (const [type, text] of types) data.setData(type, text);
    for (const [name, type] of files) {
        const canvas = new OffscreenCanvas(40, 30);
        canvas.getContext("2d").fillRect(0, 0, 40, 30);
        const bytes = type === "image/png" ? await canvas.convertToBlob() : new Blob([name]);
        data.items.add(new File([bytes], name, { type }));
    }
    const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
    document.querySelector(".composer textarea").dispatchEvent(event);
    return event.defaultPrevented;
}"""
"""Pastes texts and files. Returns true if the page has taken what was pasted."""

DRAG = """([name, selector]) => {
    const data = new DataTransfer();
    data.items.add(new File(["dropped"], "dropped.txt", { type: "text/plain" }));
    const event = new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true });
    document.querySelector(selector).dispatchEvent(event);
    return event.defaultPrevented;
}"""
"""Drags a file over an element of the page, or drops it there."""

FAST = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
"""A network without limits."""

KEPT = """async () => {
    const database = await new Promise(done => {
        const request = indexedDB.open("chatkeep");
        request.onsuccess = () => done(request.result);
    });
    const keys = await new Promise(done => {
        const request = database.transaction("files").objectStore("files").getAllKeys();
        request.onsuccess = () => done(request.result);
    });
    database.close();
    const names = Object.keys(localStorage).filter(name => /draft-files|brought|outbox/.test(name));
    return [keys.length, names];
}"""
"""What the browser keeps of files and unsent messages: the number of files with bytes, and names of texts."""


def picture(width: int = 320, height: int = 180) -> bytes:
    """Return a PNG."""
    file = BytesIO()
    Image.new("RGB", (width, height), (40, 90, 160)).save(file, "PNG")
    return file.getvalue()


def payload(name: str, content: bytes, media_type: str = "text/plain") -> FilePayload:
    """Return a file as a browser takes it from the disk."""
    return {"name": name, "mimeType": media_type, "buffer": content}


async def attach(chat: Chat, *files: FilePayload) -> None:
    """Choose files, as after a click on the paperclip."""
    await chat.page.locator("input[data-input=files]").set_input_files(files)


async def brought(chat: Chat, count: int = 1) -> None:
    """Wait until the service has this many files of the draft."""
    await expect(chat.page.locator(".composer .chip")).to_have_count(count)
    await expect(chat.page.locator("progress")).to_have_count(0)


async def stored(service: Service) -> list[str]:
    """Return the names of all files that the service has."""
    rows = await service.runtime.db.snapshot(lambda tx: tx.all("SELECT name FROM files ORDER BY name"))
    return [name for (name,) in rows]


async def test_chosen_files_are_sent_with_the_message(chat: Chat, script: Script) -> None:
    script.play([say("A picture and a text."), stop()])
    async with chat.page.expect_file_chooser() as opened:
        await chat.button("Attach files").click()
    await (await opened.value).set_files([payload("sea.png", picture(), "image/png"), payload("a “b”.md", b"# Hello")])
    await brought(chat, 2)
    chips = chat.page.get_by_role("list", name="Files").get_by_role("listitem")
    await expect(chips).to_have_text([re.compile("sea.pngPNG · "), re.compile("a “b”.mdMD · 7 bytes")])
    await expect(chips.first.locator("canvas")).to_be_visible()
    await chat.say("What is it?")
    await chat.answered("A picture and a text.")
    await expect(chat.user_messages.get_by_role("button", name="Show sea.png")).to_be_visible()
    await expect(chat.user_messages.get_by_role("link")).to_have_text("a “b”.mdMD · 7 bytes")
    await expect(chat.page.locator(".chip")).to_have_count(0)
    content = script.prompts[0].messages[-1]["content"]
    assert any(part["type"] == "image_url" for part in content)
    assert any("# Hello" in part.get("text", "") for part in content)
    assert await chat.page.evaluate(KEPT) == [0, []]


async def test_files_need_no_text(chat: Chat, script: Script) -> None:
    script.play([say("A note."), stop()], [say("Still a note."), stop()])
    await expect(chat.button("Send")).to_be_disabled()
    await attach(chat, payload("note.txt", b"one"))
    await chat.button("Send").click()
    await chat.answered("A note.")
    await expect(chat.user_messages.locator(".bubble")).to_have_count(0)
    await chat.edit(chat.user_messages)
    await chat.page.keyboard.press("Enter")
    await chat.answered("Still a note.")
    await expect(chat.user_messages.get_by_role("link")).to_contain_text("note.txt")


async def test_a_screenshot_is_pasted(chat: Chat, script: Script) -> None:
    script.play([say("A screenshot."), stop()])
    assert await chat.page.evaluate(CLIPBOARD, {"types": [], "files": [["image.png", "image/png"]]})
    await brought(chat)
    await expect(chat.page.locator(".chip .name")).to_have_text(re.compile(r"^Pasted [\d-]{10} [\d.]{8}\.png$"))
    await chat.say("And this?")
    await chat.answered("A screenshot.")
    await expect(chat.user_messages.get_by_role("button", name="Show Pasted")).to_be_visible()


async def test_a_text_with_its_picture_is_pasted_as_text(chat: Chat) -> None:
    """Spreadsheets and text editors put a picture of a copied text beside it."""
    types = [["text/plain", "a\tb"], ["text/html", "<table></table>"]]
    assert not await chat.page.evaluate(CLIPBOARD, {"types": types, "files": [["image.png", "image/png"]]})
    assert not await chat.page.evaluate(CLIPBOARD, {"types": types[:1], "files": []})
    await expect(chat.page.locator(".chip")).to_have_count(0)


async def test_files_are_dropped_anywhere_on_the_page(chat: Chat) -> None:
    target = chat.page.get_by_text("Drop files to attach them")
    assert await chat.page.evaluate(DRAG, ["dragenter", "nav"])
    await expect(target).to_be_visible()
    assert await chat.page.evaluate(DRAG, ["dragover", ".drop-target"])
    await chat.page.evaluate(DRAG, ["dragleave", ".drop-target"])
    await expect(target).to_have_count(0)
    await chat.page.evaluate(DRAG, ["dragenter", ".thread"])
    await expect(target).to_be_visible()
    assert await chat.page.evaluate(DRAG, ["drop", ".drop-target"])  # else the browser leaves the page
    await expect(target).to_have_count(0)
    await brought(chat)
    await expect(chat.page.locator(".chip .name")).to_have_text("dropped.txt")


async def test_a_dialog_takes_no_files(chat: Chat) -> None:
    await chat.button("Settings").click()
    await expect(chat.page.get_by_role("dialog")).to_be_visible()
    for name in ("dragenter", "dragover", "drop"):
        assert await chat.page.evaluate(DRAG, [name, "dialog"])
    await expect(chat.page.get_by_text("Drop files to attach them")).to_have_count(0)
    await expect(chat.page.locator(".chip")).to_have_count(0)


async def test_a_message_takes_sixteen_files(chat: Chat, script: Script) -> None:
    script.play([say("Sixteen."), stop()])
    await attach(chat, *[payload(f"{number}.txt", str(number).encode()) for number in range(1, 13)])
    await attach(chat, *[payload(f"{number}.txt", str(number).encode()) for number in range(13, 20)])
    await expect(chat.page.get_by_text("A message takes 16 files. The others are left out.")).to_be_visible()
    await brought(chat, 16)
    await chat.say("all of them")
    await chat.answered("Sixteen.")
    await expect(chat.user_messages.get_by_role("link")).to_have_count(16)


async def test_an_empty_file_is_not_taken(chat: Chat) -> None:
    await attach(chat, payload("nothing.txt", b""), payload("some.txt", b"some"))
    await expect(chat.page.get_by_text("nothing.txt is empty.")).to_be_visible()
    await brought(chat)
    await expect(chat.page.locator(".chip .name")).to_have_text("some.txt")


async def test_an_upload_shows_its_progress_and_is_cancelled(chat: Chat, service: Service) -> None:
    held, gate = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        held.set()
        await gate.wait()
        await route.abort()

    interception = await chat.intercept("**/api/files", hold, times=1)
    await attach(chat, payload("slow.txt", b"slow"), payload("quick.txt", b"quick"))
    await held.wait()
    await expect(chat.page.get_by_role("progressbar", name="Upload of slow.txt")).to_be_visible()
    async with chat.page.expect_event("requestfailed"):
        await chat.button("Remove slow.txt").click()
    interception.end()
    gate.set()
    await brought(chat)
    await expect(chat.page.locator(".chip .name")).to_have_text("quick.txt")
    await expect(chat.box).to_be_focused()
    assert await stored(service) == ["quick.txt"]
    assert (await chat.page.evaluate(KEPT))[0] == 1


async def test_a_message_waits_for_its_files(chat: Chat, script: Script) -> None:
    script.play([say("Got it."), stop()], [say("And that."), stop()])
    gate = asyncio.Event()

    async def hold(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    await chat.intercept("**/api/files", hold, times=1)
    await attach(chat, payload("slow.txt", b"slow"))
    await chat.say("with a file")
    await chat.say("without one")
    waiting = chat.user_messages.first
    await expect(waiting).to_contain_text("Sending the files…")
    await expect(waiting.get_by_role("progressbar")).to_be_visible()
    await expect(chat.user_messages.last).to_contain_text("Will be sent after what was said before it.")
    gate.set()
    await chat.answered("And that.")
    await expect(chat.user_messages).to_have_text([re.compile("with a file"), re.compile("without one")])


async def test_a_message_is_taken_back_while_its_file_is_sent(chat: Chat, script: Script) -> None:
    script.play([say("Only a text."), stop()])
    gate = asyncio.Event()

    async def hold(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    await chat.intercept("**/api/files", hold, times=1)
    await attach(chat, payload("slow.txt", b"slow"))
    await chat.say("too early")
    await chat.user_messages.get_by_role("button", name="Edit").click()
    await expect(chat.user_messages).to_have_count(0)
    await expect(chat.box).to_have_value("too early")
    await chat.button("Remove slow.txt").click()
    gate.set()
    await chat.say("just this")
    await chat.answered("Only a text.")
    await expect(chat.user_messages).to_have_count(1)
    assert len(script.prompts) == 1


async def test_a_lost_response_makes_no_second_file(chat: Chat, script: Script, service: Service) -> None:
    script.play([say("Once."), stop()])

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await chat.intercept("**/api/files", lose, times=2)
    await attach(chat, payload("once.txt", b"once"))
    await expect(chat.page.locator(".chip")).to_contain_text("Waits for the service")
    await chat.say("is it there?")
    await chat.answered("Once.")
    assert await stored(service) == ["once.txt"]
    await expect(chat.user_messages.get_by_role("link")).to_have_count(1)


async def test_two_tabs_of_a_draft_make_one_file(context: BrowserContext, chat: Chat, service: Service) -> None:
    gate = asyncio.Event()

    async def hold(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    await chat.intercept("**/api/files", hold, times=1)
    await attach(chat, payload("shared.txt", b"shared"))
    other = await Chat.open(context, service.url)
    await expect(other.page.locator(".chip")).to_contain_text("0 % of 6 bytes")
    gate.set()
    for tab in (chat, other):
        await brought(tab)
    assert await stored(service) == ["shared.txt"]


async def test_a_file_attached_offline_is_sent_by_another_tab(
    context: BrowserContext, chat: Chat, script: Script, service: Service
) -> None:
    """Its bytes outlive the tab in which it was attached."""
    script.play([say("Here it is."), stop()])
    await context.set_offline(True)
    await attach(chat, payload("kept.txt", b"kept"))
    await expect(chat.page.locator(".chip")).to_contain_text("Waits for the service")
    await chat.say("from the tunnel")
    await expect(chat.user_messages).to_contain_text("Will be sent when the network is back.")
    assert (await chat.page.evaluate(KEPT))[0] == 1
    address = chat.page.url
    await chat.page.close()
    await context.set_offline(False)
    other = await Chat.open(context, address)
    await other.answered("Here it is.")
    await expect(other.user_messages.get_by_role("link")).to_contain_text("kept.txt")
    assert script.prompts[0].messages[-1]["content"].endswith("kept\n```\n\nfrom the tunnel")
    assert len(await stored(service)) == 1
    assert await other.page.evaluate(KEPT) == [0, []]


async def test_an_upload_survives_a_killed_service(context: BrowserContext, tmp_path: Path) -> None:
    port = free_port()
    async with service_on(port, tmp_path) as process:
        chat = await Chat.open(context, f"http://127.0.0.1:{port}")
        network: Any = await context.new_cdp_session(chat.page)  # its types are incomplete
        await network.send("Network.enable")
        await network.send("Network.emulateNetworkConditions", {**FAST, "uploadThroughput": 500_000})
        await attach(chat, payload("log.txt", b"a line of a log\n" * 200_000))
        await chat.say("hello")
        await expect(chat.user_messages).to_contain_text(re.compile(r"[1-9]\d % of 3.2 MB"))
        process.kill()
        await expect(chat.user_messages).to_contain_text("Waits for the service")
    await network.send("Network.emulateNetworkConditions", FAST)
    async with service_on(port, tmp_path):
        await chat.answered("You gave me log.txt, text/plain, 3,200,000 bytes.")
        await expect(chat.user_messages).to_have_count(1)
        await expect(chat.answers).to_have_count(1)


async def test_a_draft_keeps_its_files_over_a_reload(chat: Chat, script: Script) -> None:
    script.play([say("Both."), stop()])
    await attach(chat, payload("sea.png", picture(), "image/png"))
    await chat.box.fill("half a thought")
    await brought(chat)
    await chat.page.reload()
    await brought(chat)
    await expect(chat.page.locator(".chip canvas")).to_be_visible()
    await chat.box.press("Control+Enter")
    await chat.answered("Both.")
    await expect(chat.user_messages.get_by_role("button", name="Show sea.png")).to_be_visible()


async def test_a_file_deleted_meanwhile_is_brought_again(chat: Chat, script: Script, service: Service) -> None:
    """The service deletes a file that no message names for a day; a draft may be older."""
    script.play([say("There."), stop()])
    async with chat.page.expect_response("**/api/files") as answered:
        await attach(chat, payload("old.txt", b"old"))
    await brought(chat)
    deleted = await service.client.delete((await (await answered.value).all_headers())["location"])
    assert deleted.status_code == 204
    await chat.say("a day later")
    await chat.answered("There.")
    await expect(chat.user_messages.get_by_role("link")).to_contain_text("old.txt")


async def test_a_refused_file_says_why_and_stops_the_message(context: BrowserContext, tmp_path: Path) -> None:
    script = Script([say("Small enough."), stop()])
    async with serving(settings(tmp_path, max_file_bytes=1_000), script) as service:
        chat = await Chat.open(context, service.url)
        await attach(
            chat, payload("large.txt", b"x" * 1_001), payload("damaged.png", b"\x89PNG\r\n\x1a\nno", "image/png")
        )
        chips = chat.page.locator(".chip")
        await expect(chips.first).to_contain_text("Larger than this service takes")
        await expect(chips.last).to_contain_text("Damaged, or not what its name says")
        await chat.box.fill("look")
        await expect(chat.button("Send")).to_be_disabled()
        await chat.box.press("Enter")
        await expect(chat.user_messages).to_have_count(0)
        await chat.button("Remove large.txt").click()
        await chat.button("Remove damaged.png").click()
        await attach(chat, payload("small.txt", b"x" * 1_000))
        await brought(chat)
        await chat.button("Send").click()
        await chat.answered("Small enough.")


async def test_a_file_that_the_model_cannot_read_comes_back(chat: Chat, script: Script) -> None:
    script.input = ("text",)
    script.play([say("Words I can read."), stop()])
    await attach(chat, payload("sea.png", picture(), "image/png"))
    await chat.say("What is it?")
    refused = chat.user_messages.get_by_role("alert")
    await expect(refused).to_contain_text("Not sent: the model does not read this file.")
    await expect(refused).to_contain_text("the model reads no pictures")
    await refused.get_by_role("button", name="Edit").click()
    await expect(chat.box).to_have_value("What is it?")
    await brought(chat)
    await chat.button("Remove sea.png").click()
    await chat.say("")
    await chat.say("It was the sea.")
    await chat.answered("Words I can read.")
    assert await chat.page.evaluate(KEPT) == [0, []]


async def test_a_discarded_message_leaves_nothing(chat: Chat, script: Script) -> None:
    script.input = ("text",)
    await attach(chat, payload("sea.png", picture(), "image/png"))
    await chat.say("What is it?")
    await chat.button("Discard").click()
    await expect(chat.user_messages).to_have_count(0)
    await chat.page.wait_for_function(f"({KEPT})().then(kept => kept[0] === 0 && kept[1].length === 0)")
