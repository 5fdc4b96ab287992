"""The layout, measured in pixels in a browser."""

import pytest
from playwright.async_api import Locator, expect

from tests.script import Script, say, stop
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio

TABLE = """| Method | Description | Idempotent | Documentation |
| --- | --- | --- | --- |
| DELETE | Removes the representation | unconditionally | specification |
"""
QUOTE = "> one\n>\n> two\n\n- three\n\n  four\n"


async def edge(element: Locator, name: str) -> float:
    """Return the position of its `top`, `bottom`, `left` or `right` edge."""
    return await element.evaluate("(element, name) => element.getBoundingClientRect()[name]", name)


async def test_a_wide_table_scrolls_and_breaks_no_word(chat: Chat, script: Script) -> None:
    await chat.page.set_viewport_size({"width": 360, "height": 740})
    script.play([say(TABLE), stop()])
    await chat.say("a table")
    await chat.answered("DELETE")
    assert await chat.answers.locator(".wide").evaluate("box => box.scrollWidth > box.clientWidth")
    heads = chat.answers.locator("th")
    assert await edge(heads.first, "bottom") - await edge(heads.first, "top") < 45  # one line
    assert await chat.page.evaluate("document.documentElement.scrollWidth") == 360


async def test_paragraphs_of_a_quote_or_a_list_stand_apart(chat: Chat, script: Script) -> None:
    script.play([say(QUOTE), stop()])
    await chat.say("a quote")
    await chat.answered("four")
    for place in ("blockquote", "li"):
        first, second = chat.answers.locator(f"{place} p").first, chat.answers.locator(f"{place} p").last
        assert await edge(second, "top") - await edge(first, "bottom") > 8


@pytest.mark.parametrize("text", ["hello", "שלום"])
async def test_user_messages_are_on_the_same_side_in_every_script(chat: Chat, script: Script, text: str) -> None:
    script.play([say("Hi."), stop()])
    await chat.say(text)
    await chat.answered("Hi.")
    bubble = chat.user_messages.locator(".bubble")
    assert await edge(bubble, "right") == await edge(chat.user_messages, "right")
    assert await edge(bubble, "right") - await edge(bubble, "left") < 120


async def test_the_jump_to_end_button_never_covers_the_input(chat: Chat, script: Script) -> None:
    script.play([say("\n\n".join(f"Paragraph {number}." for number in range(60))), stop()])
    await chat.say("a long one")
    await chat.answered("Paragraph 59.")
    await chat.thread.hover()
    await chat.page.mouse.wheel(0, -600)
    for lines in (1, 12):
        await chat.box.fill("line\n" * lines)
        await expect(chat.button("Latest")).to_be_visible()
        gap = await edge(chat.page.locator(".composer"), "top") - await edge(chat.button("Latest"), "bottom")
        assert 8 < gap < 60
