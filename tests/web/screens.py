"""Takes the pictures in `docs/screens`: `python -m tests.web.screens`. Look at them before you commit them."""

import asyncio
import shutil
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageOps
from playwright.async_api import Browser, async_playwright, expect

from tests.script import Script, call, say, stop
from tests.service import serving, settings
from tests.web.chat import Chat
from tests.web.conftest import BROWSERS, FLAGS
from tests.web.test_attaching import attach, brought, payload

TARGET = Path(__file__).parent.parent.parent / "docs" / "screens"
ASSISTANT = """---
name: default
description: A friendly assistant with a taste for corny jokes.
functions: [explain_joke, detect_sarcasm, tell_joke, suggest_replies, weather, complain]
starters: ["Explain the joke: why did the chicken cross the road?", "Tell me a joke about waiting."]
---
You are for pictures.
"""
EDITOR = """---
name: editor
description: Reads what you wrote, and says what a reader would.
---
You are for pictures.
"""
PROSE = """Streaming is easier than it looks. The server sends **Server-Sent Events**, each with its place in the log:

```python
async def follow(run: str, after: int):
    # exactly what comes after, then live
    async for event in log.after(run, after):
        yield f"id: {event.position}\\ndata: {event.json}\\n\\n"
```

Three things make it *robust*:

1. An event is committed **before** anybody sees it.
2. A position counts characters, so a delta can be cut anywhere.
3. The client asks for what comes after `Last-Event-ID`.

| Ending | Kept | Worth a retry |
| --- | --- | --- |
| completed | all | no |
| interrupted | up to the last event | yes |

> What has been seen can never be unsaid.
"""
JOKE = {
    "setup": "Why did the chicken cross the road? To get to the other side.",
    "premise": "A question like that promises a clever reason, so you wait for a twist.",
    "punchline": "There is none: the chicken just wanted to be on the other side. The plain truth is the surprise.",
}
SARCASM = {"quote": "Oh great, another meeting!", "score": 7}
REPLIES = {"replies": ["Why not a nine?", "Say it politely", "Tell me a joke"]}
QUESTION = {"question": "Shall I write to Ola instead?", "choices": ["Yes, write", "No, wait until Friday"]}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 832}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


async def take_all() -> None:
    """A service with a few sessions, and pictures of its pages."""
    directory = Path(tempfile.mkdtemp())
    (directory / "default.md").write_text(ASSISTANT)
    (directory / "editor.md").write_text(EDITOR)
    script = Script()
    config = settings(directory, tools=("tests.functions",), assistants_dir=directory)
    async with serving(config, script) as service, async_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)))
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        jokes, streaming = await talk(browser, service.url, script)
        await take(browser, service.url, "welcome", DESKTOP)
        await take(browser, jokes, "cards", DESKTOP)
        await take(browser, streaming, "prose-dark", {**DESKTOP, "color_scheme": "dark"}, scroll_to="1")
        await take(browser, streaming, "functions", DESKTOP)
        await take(browser, await attach_files(browser, service.url, script), "files", DESKTOP, draft=True)
        await take(browser, jokes, "phone", PHONE)
        await take(browser, streaming, "phone-dark", {**PHONE, "color_scheme": "dark"}, press="Chats")
        await browser.close()


async def talk(browser: Browser, url: str, script: Script) -> tuple[str, str]:
    """Create some sessions. Return the addresses of two of them."""
    chat = await Chat.open(await browser.new_context(), url)
    for title in ("Packing list for Lofoten", "What does “idempotent” mean?", "A birthday poem for Ola"):
        script.play([say("Here you are."), stop()])
        await chat.say(title)
        await chat.answered("Here you are.")
        await chat.button("New chat").click()
    script.play(
        [call("explain_joke", JOKE), stop("tool_calls")],
        [call("detect_sarcasm", SARCASM), call("suggest_replies", REPLIES, 1), stop("tool_calls")],
    )
    await chat.say("Explain the joke: why did the chicken cross the road?")
    await chat.answered("surprise")
    await chat.say("Is “Oh great, another meeting!” sarcastic?")
    await chat.answered("Rather sarcastic")
    jokes = chat.page.url
    await chat.button("New chat").click()
    script.play(
        [say(PROSE), stop()],
        [call("weather", {"city": "Oslo", "days": 2}), call("complain", {"kind": "told"}, 1), stop("tool_calls")],
        [say("Rain until Friday, and the shop is closed."), call("ask_user", QUESTION), stop("tool_calls")],
    )
    await chat.say("How does resumable streaming work?")
    await chat.answered("unsaid")
    await chat.say("Is the shop open, and how is the weather?")
    await expect(chat.page.locator(".choices")).to_be_visible()
    return jokes, chat.page.url


async def attach_files(browser: Browser, url: str, script: Script) -> str:
    """Create a session with files. Return its address."""
    chat = await Chat.open(await browser.new_context(), url)
    script.play([say("Reine, from the bridge: by the light, nine in the evening. The list says **Saturday**."), stop()])
    await attach(
        chat,
        payload("Reine at nine.png", draw_fjord(), "image/png"),
        payload("packing list.md", PROSE.encode()),
        payload("tides.csv", b"day,high,low\n" * 40),
    )
    await brought(chat, 3)
    await chat.say("Where and when was this?")
    await chat.answered("Saturday")
    return chat.page.url


def draw_fjord() -> bytes:
    """Return a picture of mountains and water, as a PNG."""
    picture = ImageOps.fit(Image.linear_gradient("L"), (1200, 760)).rotate(180)
    picture = ImageOps.colorize(picture, "#f3d9b8", "#5f86a8", mid="#d9a98c")
    pen = ImageDraw.Draw(picture)
    for colour, heights in (("#51677f", (330, 120, 300, 190, 360, 240)), ("#33475a", (470, 300, 450, 260, 430, 400))):
        peaks = [(240 * place, height) for place, height in enumerate(heights)]
        pen.polygon([(0, 560), *peaks, (1200, 560)], fill=colour)
    pen.rectangle((0, 540, 1200, 760), fill="#7f97a6")
    for row in range(8):
        pen.line((120 + 90 * row, 580 + 22 * row, 420 + 90 * row, 580 + 22 * row), fill="#c9b7a8", width=4)
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


async def take(
    browser: Browser,
    url: str,
    name: str,
    options: dict[str, Any],
    *,
    scroll_to: str = "",
    press: str = "",
    draft: bool = False,
) -> None:
    """Take one picture."""
    context = await browser.new_context(reduced_motion="reduce", **options)
    chat = await Chat.open(context, url)
    await expect(chat.page.locator(".answer, .greeting").last).to_be_visible()
    if draft:
        await attach(chat, payload("chart of the harbour.png", draw_fjord(), "image/png"))
        await brought(chat)
        await chat.box.fill("And is this the same place?")
    if scroll_to:
        await chat.thread.evaluate("box => box.scrollTo(0, 0)")
    if press:
        await chat.button(press).click()
    await chat.page.evaluate("document.fonts.ready")
    await asyncio.sleep(0.5)  # a picture, not a test: fonts and shades come to rest
    await chat.page.screenshot(path=TARGET / f"{name}.png")
    await context.close()


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    asyncio.run(take_all())
