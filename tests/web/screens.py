"""Takes the pictures in `docs/screens`: `python -m tests.web.screens`. Look at them before you commit them."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright, expect

from tests.script import Script, call, say, stop
from tests.service import serving, settings
from tests.web.chat import Chat
from tests.web.conftest import BROWSERS, FLAGS

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


async def take(
    browser: Browser, url: str, name: str, options: dict[str, Any], *, scroll_to: str = "", press: str = ""
) -> None:
    """Take one picture."""
    context = await browser.new_context(reduced_motion="reduce", **options)
    chat = await Chat.open(context, url)
    await expect(chat.page.locator(".answer, .greeting").last).to_be_visible()
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
