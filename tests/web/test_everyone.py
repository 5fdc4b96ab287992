"""For everyone: the keyboard alone, screen readers, contrast in both themes, phones, less motion, right to left."""

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page, Route, ViewportSize, expect

from chatkeep.errors import ContextOverflow, ModelRateLimited
from tests.script import Script, call, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio

AXE = (Path(__file__).parent.parent.parent / "web/node_modules/axe-core/axe.min.js").read_text
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1200, "height": 800}


async def violations(page: Page) -> list[str]:
    """Return the violations of all of axe's rules, one line each."""
    await page.evaluate(AXE("utf-8"))  # evaluated by the browser's debugger, which no policy binds
    found: dict[str, Any] = await page.evaluate(
        "axe.run(document, { runOnly: { type: 'tag', values: TAGS } })".replace("TAGS", TAGS)
    )
    return [f"{each['id']}: {node['html'][:120]}" for each in found["violations"] for node in each["nodes"]]


TAGS = json.dumps(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
EVERYTHING = r"""Words, *more* words, `code`, a note[^1], H<sub>2</sub>O, $x^2$ and [a link](https://example.org).

$$\int_0^1 x\,dx$$

<details><summary>More</summary>

Hidden.

</details>

[^1]: Noted.

> quoted

1. one
2. two

| a | b |
| --- | --- |
| 1 | 2 |

```python
def f(x: int) -> str:  # why
    return "text" + str(12)
```

```mermaid
graph TD
  A --> B
```
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_axe_finds_no_violation(
    browser: Browser, service: Service, script: Script, scheme: Literal["light", "dark"], size: ViewportSize
) -> None:
    gate = asyncio.Event()
    script.play(
        [say(EVERYTHING), stop()],
        [call("explain_joke", {"setup": "a", "premise": "b", "punchline": "c"}), stop("tool_calls")],
        [call("detect_sarcasm", {"quote": "Great.", "score": 7}), stop("tool_calls")],
        [say("A few words"), ModelRateLimited("slow down")],
        [call("ask_user", {"question": "Which way?", "choices": ["Left", "Right"]}), stop("tool_calls")],
        [say("streaming "), gate],
    )
    context = await browser.new_context(color_scheme=scheme, viewport=size, reduced_motion="reduce")
    chat = await Chat.open(context, service.url)
    assert await violations(chat.page) == []
    for sign in ("math[display=block]", ".joke", ".gauge", ".note", ".choices"):
        await chat.say("go on")
        await expect(chat.answers.last.locator(sign)).to_be_visible()
    assert await violations(chat.page) == []
    if size == PHONE:
        await chat.button("Chats").click()
    await chat.sessions.first.hover()
    await chat.page.get_by_role("button", name="Options for").click()
    assert await violations(chat.page) == []
    if size == PHONE:
        await chat.button("Close the list").click()
    await chat.user_messages.last.get_by_role("button", name="Edit").click()
    assert await violations(chat.page) == []
    await chat.say("six")
    await expect(chat.answers.last).to_contain_text("streaming")
    assert await violations(chat.page) == []
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_violation_in_dialogs(
    browser: Browser, service: Service, script: Script, scheme: Literal["light", "dark"]
) -> None:
    script.play([say("A needle."), stop()], [say("Half"), ContextOverflow("too long")])
    context = await browser.new_context(color_scheme=scheme, viewport=DESKTOP, reduced_motion="reduce")
    chat = await Chat.open(context, service.url)
    await chat.say("\n".join(f"line {number}" for number in range(40)))
    await chat.answered("A needle.")
    await chat.say("more")
    await chat.answered("This is too long for the model.")
    for name in ("Settings", "Keys"):
        await chat.button(name).click()
        assert await violations(chat.page) == []
        await chat.button("Close").click()
    await chat.answers.first.get_by_role("button", name="About this answer").click()
    await chat.button("What the model was told").click()
    await expect(chat.page.locator("dialog pre").first).to_be_visible()
    assert await violations(chat.page) == []
    await chat.button("Close").click()
    await chat.button("This chat").click()
    assert await violations(chat.page) == []
    await chat.page.keyboard.press("Escape")
    await chat.choose("Options for line 0", "Select")
    assert await violations(chat.page) == []
    await chat.page.get_by_role("searchbox").fill("needle")
    await expect(chat.page.locator("mark")).to_have_count(1)
    assert await violations(chat.page) == []
    await context.close()


async def test_all_can_be_done_with_the_keyboard_alone(chat: Chat, script: Script) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()], [say("Three."), stop()])
    keys = chat.page.keyboard
    await expect(chat.box).to_be_focused()
    await keys.type("hello")
    await keys.press("Enter")
    await chat.answered("One.")
    await expect(chat.box).to_be_focused()
    await press_until(chat, "Shift+Tab", "Answer again")
    await keys.press("Enter")
    await chat.answered("Two.")
    await press_until(chat, "Shift+Tab", "Version before")
    await keys.press("Enter")
    await expect(chat.answers).to_contain_text("One.")
    await expect(chat.button("Next version")).to_be_focused()
    await press_until(chat, "Shift+Tab", "Edit")
    await keys.press("Enter")
    await expect(chat.editor).to_be_focused()
    await keys.type(", again")
    await keys.press("Enter")
    await chat.answered("Three.")
    await expect(chat.user_messages).to_contain_text("hello, again")
    await press_until(chat, "Shift+Tab", "Options for hello")
    await keys.press("Enter")
    await expect(chat.button("Rename")).to_be_focused()
    await keys.press("Enter")
    await expect(chat.page.get_by_role("textbox", name="Title")).to_be_focused()
    await keys.type("Renamed")
    await keys.press("Enter")
    await expect(chat.sessions).to_have_text("Renamed")
    await press_until(chat, "Tab", "Options for Renamed")
    await keys.press("Enter")
    await expect(chat.button("Rename")).to_be_focused()
    await press_until(chat, "Tab", "Delete")
    await keys.press("Enter")
    await expect(chat.box).to_be_focused()  # of the new chat that took its place
    await chat.hold_notices()
    await press_until(chat, "Tab", "Undo")
    await keys.press("Enter")
    await expect(chat.sessions).to_have_text("Renamed")


async def press_until(chat: Chat, key: str, label: str) -> None:
    """Press Tab until the control named `label` has a visible focus."""
    focused = chat.page.locator(":focus-visible")
    for _ in range(40):
        await chat.page.keyboard.press(key)
        if await focused.count() and await name_of(chat) == label:
            outline = await focused.evaluate("element => getComputedStyle(element).outlineStyle")
            assert outline != "none"
            return
    raise AssertionError(f"{label} cannot be reached")


async def name_of(chat: Chat) -> str:
    return await chat.page.evaluate(
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()"
    )


async def test_a_screen_reader_hears_the_start_then_the_whole_answer(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Word by word "), gate, say("it comes."), stop()])
    await chat.page.evaluate("""() => {
        window.spoken = [];
        const live = [...document.querySelectorAll("[role=status], [aria-live], [role=log], [role=alert]")];
        new MutationObserver(() => window.spoken.push(live.map(each => each.textContent).join("")))
            .observe(document.body, { subtree: true, childList: true, characterData: true });
    }""")
    await chat.say("hello")
    await expect(chat.answers).to_contain_text("Word by word")
    gate.set()
    await chat.answered("it comes.")
    await chat.page.wait_for_function("window.spoken.at(-1)?.startsWith('Answer')")
    spoken: list[str] = await chat.page.evaluate("[...new Set(window.spoken)].filter(text => text)")
    assert spoken == ["The assistant is answering.", "Answer: Word by word it comes."]
    await expect(chat.answers).to_have_attribute("aria-busy", "false")


async def test_a_phone_has_the_list_in_a_drawer(browser: Browser, service: Service, script: Script) -> None:
    script.play([say("Hi."), stop()])
    context = await browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    chat = await Chat.open(context, service.url)
    await chat.say("a longer message that does not fit into one line of a phone, however one turns it")
    await chat.answered("Hi.")
    assert await chat.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await expect(chat.sessions).to_have_count(0)
    await chat.button("Chats").tap()
    await expect(chat.sessions).to_be_visible()
    await expect(chat.button("Close the list")).to_be_focused()
    await expect(chat.page.get_by_role("main")).to_have_attribute("inert", "")
    await chat.page.keyboard.press("Escape")
    await expect(chat.sessions).to_have_count(0)
    await expect(chat.button("Chats")).to_be_focused()
    await chat.button("Chats").tap()
    await chat.button("New chat").tap()
    await expect(chat.page.get_by_role("heading", level=1)).to_have_text("New chat")
    await expect(chat.sessions).to_have_count(0)
    await context.close()


async def test_reduced_motion_is_respected(browser: Browser, service: Service, script: Script) -> None:
    script.play([asyncio.Event()])
    for motion, count in (("reduce", 0), ("no-preference", 3)):
        context = await browser.new_context(reduced_motion="reduce" if motion == "reduce" else "no-preference")
        chat = await Chat.open(context, service.url)
        script.play([asyncio.Event()])
        await chat.say("hello")
        await expect(chat.answers.locator(".thinking i")).to_have_count(3)
        moving = "document.getAnimations().filter(each => each instanceof CSSAnimation).length"
        assert await chat.page.evaluate(moving) == count
        await context.close()


async def test_right_to_left_text_is_aligned_right(chat: Chat, script: Script) -> None:
    script.play([say("مرحبا بالعالم\n\n- واحد\n- اثنان\n\nAnd English.\n\n`code`"), stop()])
    await chat.say("שלום עולם")
    await chat.answered("And English.")
    direction = "element => getComputedStyle(element).direction"
    assert await chat.user_messages.locator(".bubble").evaluate(direction) == "rtl"
    paragraphs = chat.answers.locator("p")
    assert [await paragraphs.nth(index).evaluate(direction) for index in range(2)] == ["rtl", "ltr"]
    assert await chat.answers.locator("ul").evaluate(direction) == "rtl"
    await expect(chat.sessions).to_have_text("שלום עולם")
    assert await chat.sessions.evaluate(direction) == "rtl"
    await chat.box.fill("עוד")
    assert await chat.box.evaluate(direction) == "rtl"


async def test_the_focus_stays_near_a_removed_control(chat: Chat, script: Script) -> None:
    ask = [call("ask_user", {"question": "Which way?", "choices": ["Left", "Right"]}), stop("tool_calls")]
    script.play([say("One."), stop()], [say("Two."), stop()], ask, [say("Left, then."), stop()])
    await chat.say("first")
    await chat.answered("One.")
    await chat.press(chat.done(chat.answers))
    await expect(chat.box).to_be_focused()
    await chat.answered("Two.")
    await chat.edit(chat.user_messages)
    await chat.page.keyboard.press("Escape")
    await expect(chat.user_messages.get_by_role("button", name="Edit")).to_be_focused()
    await chat.say("which way?")
    await chat.press(chat.button("Left"))
    await expect(chat.box).to_be_focused()
    await chat.answered("Left, then.")


async def test_the_focus_stays_in_the_list(chat: Chat, service: Service) -> None:
    for title in ("third", "second", "first"):
        await service.session(title=title)
    await chat.page.reload()
    await chat.choose("Options for first", "Rename")
    await chat.type_title("renamed")
    await expect(chat.sessions.filter(has_text="renamed")).to_be_focused()
    await chat.choose("Options for second", "Delete")
    await expect(chat.sessions.filter(has_text="third")).to_be_focused()
    await chat.choose("Options for third", "Delete")
    await expect(chat.sessions.filter(has_text="renamed")).to_be_focused()


async def test_switching_versions_keeps_place_and_focus(chat: Chat, script: Script) -> None:
    first, second = ("\n\n".join(f"{word} {number}." for number in range(60)) for word in ("Paragraph", "Line"))
    script.play([say(first), stop()], [say(second), stop()], [say("Short."), stop()])
    await chat.say("first")
    await chat.answered("Paragraph 59.")
    await chat.say("second")
    await chat.answered("Line 59.")
    await chat.edit(chat.user_messages.last)
    await chat.editor.fill("shorter")
    await chat.page.keyboard.press("Enter")
    await chat.answered("Short.")
    for label, other, answer in (
        ("Version before", "Next version", "Line 59."),
        ("Next version", "Version before", "Short."),
    ):
        await chat.drawn()
        top = await chat.user_messages.last.evaluate(TOP)
        await chat.press(chat.user_messages.last.get_by_role("button", name=label))
        await chat.answered(answer)
        await expect(chat.user_messages.last.get_by_role("button", name=other)).to_be_focused()
        await chat.drawn()
        assert abs(await chat.user_messages.last.evaluate(TOP) - top) < 2


TOP = "element => element.getBoundingClientRect().top"


async def test_a_screen_reader_hears_an_answer_that_was_faster(chat: Chat, script: Script) -> None:
    async def acknowledge_late(route: Route) -> None:
        """Hand the acknowledgement on as it is once the run has ended: a repeat of the same request."""
        await route.fetch()
        async with asyncio.timeout(30):
            while (answer := await (await route.fetch()).json())["run"]["status"] == "in_progress":
                await asyncio.sleep(0.01)
        await route.fulfill(status=202, json=answer)

    script.play([say("A few words"), ModelRateLimited("slow down")])
    await chat.page.route("**/messages", acknowledge_late)
    await chat.say("hello")
    status = chat.page.get_by_role("status").filter(has_text="A few words")
    await expect(status).to_have_text("The answer failed: A few words")


@pytest.mark.parametrize("how", ["failed", "stopped", "cut off"])
async def test_a_screen_reader_hears_that_an_answer_is_incomplete(chat: Chat, script: Script, how: str) -> None:
    ends = {"failed": ModelRateLimited("slow down"), "stopped": asyncio.Event(), "cut off": stop("length")}
    script.play([say("A few words"), ends[how]])
    await chat.say("hello")
    await expect(chat.answers).to_contain_text("A few words")
    if how == "stopped":
        await chat.button("Stop").click()
    status = chat.page.get_by_role("status").filter(has_text="A few words")
    await expect(status).to_have_text(f"The answer {'' if how == 'failed' else 'was '}{how}: A few words")
