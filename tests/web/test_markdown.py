"""What an answer's Markdown looks like, and what can be done with it."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.script import Script, say, stop
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio

FORMULAS = r"""Inline $e^{i\pi}$, \(a^2\), costs $5 and $10, and $\nonsense{x}$.

$$\int_0^1 f(x)\,dx$$

\[\begin{array}{l|c}1&2\\\hline 3&\color{red}4\end{array}\]
"""
NOTES = "One[^1], two[^b], none[^c].\n\n[^1]: The first note.\n[^b]: The second note.\n"
TABLE = "| left | right |\n|---|---:|\n| a<br>b | H<sub>2</sub>O |\n"
CODE = "```csharp\npublic class A { }\n```\n\n```\nplain\n```\n"


async def answer(chat: Chat, script: Script, text: str, sign: str) -> None:
    """Have a message answered with `text`, and wait for `sign`."""
    script.play([say(text), stop()])
    await chat.say("please")
    await chat.answered(sign)


async def test_formulas_are_drawn_and_copied_as_their_source(chat: Chat, script: Script) -> None:
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    await answer(chat, script, "No formula for $5.", "No formula")
    assert not [url for url in asked if "temml" in url]
    await answer(chat, script, FORMULAS, "Inline")
    prose = chat.answers.last.locator(".prose")
    await expect(prose.locator("math")).to_have_count(4)
    await expect(prose).to_contain_text("costs $5 and $10, and $\\nonsense{x}$.")
    await expect(prose.locator("[style]")).to_have_count(0)
    await expect(prose.locator("mtd.line-right.line-bottom")).to_have_count(1)
    await expect(prose.locator("[mathcolor='#ff0000']")).to_have_text("4")
    copied: str = await prose.evaluate("""box => {
        getSelection().selectAllChildren(box);
        const event = new ClipboardEvent("copy", { clipboardData: new DataTransfer(), bubbles: true });
        box.dispatchEvent(event);
        return event.clipboardData.getData("text/plain");
    }""")
    assert r"Inline $e^{i\pi}$, \(a^2\), costs $5" in copied
    assert r"$$\int_0^1 f(x)\,dx$$" in copied


async def test_a_footnote_leads_to_its_note_and_back(chat: Chat, script: Script) -> None:
    await answer(chat, script, NOTES, "none[^c].")
    await chat.button("Note 2").click()
    await expect(chat.page.get_by_role("note", name="Note 2")).to_be_focused()
    await expect(chat.page.get_by_role("note", name="Note 2")).to_contain_text("The second note.")
    await chat.button("Back to note 2 in the text").click()
    await expect(chat.button("Note 2")).to_be_focused()


async def test_columns_are_aligned_and_some_tags_are_as_meant(chat: Chat, script: Script) -> None:
    await answer(chat, script, TABLE, "left")
    align = "cell => getComputedStyle(cell).textAlign.replace('-webkit-', '')"
    cells = chat.answers.locator("td")
    assert [await cells.nth(index).evaluate(align) for index in (0, 1)] == ["start", "right"]
    await expect(cells.first.locator("br")).to_have_count(1)
    await expect(cells.last.locator("sub")).to_have_text("2")


async def test_code_is_coloured_wrapped_and_downloaded(chat: Chat, script: Script) -> None:
    await answer(chat, script, CODE, "plain")
    figure = chat.answers.locator("figure").first
    await expect(figure.locator(".hljs-keyword").first).to_have_text("public")
    wrap = figure.get_by_role("button", name="Wrap")
    await wrap.click()
    await expect(wrap).to_have_attribute("aria-pressed", "true")
    assert await figure.locator("pre").evaluate("pre => getComputedStyle(pre).whiteSpace") == "pre-wrap"
    async with chat.page.expect_download() as download:
        await figure.get_by_role("button", name="Download").click()
    file = await download.value
    assert file.suggested_filename == "code.cs"
    assert await asyncio.to_thread(Path(await file.path()).read_text, "utf-8") == "public class A { }\n"


async def test_half_written_marks_are_closed_in_advance(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Some **bold wor"), gate, say("ds** and [a link](https://exam"), gate, say("ple.org)."), stop()])
    await chat.say("please")
    await expect(chat.answers.locator("strong")).to_have_text("bold wor")
    await expect(chat.answers).not_to_contain_text("**")
    gate.set()
    await chat.answered("bold words and a link.")


async def test_deep_nesting_is_shown_and_never_blank(chat: Chat, script: Script) -> None:
    await answer(chat, script, f"Before.\n\n{'> ' * 4_000}the end\n\nAfter.", "After.")
    await expect(chat.answers).to_contain_text("the end")
    await chat.page.reload()
    await expect(chat.answers).to_contain_text("the end")


BREAK_TABLES = "HTMLTableElement.prototype.replaceWith = () => { throw new Error('broken'); }"
"""Makes drawing a table fail, as an odd browser or an error of ours might."""


async def test_what_cannot_be_drawn_is_shown_as_it_is(chat: Chat, script: Script) -> None:
    await chat.page.add_init_script(BREAK_TABLES)
    await chat.page.reload()
    await answer(chat, script, "Before.\n\n| a |\n|---|\n| b |\n", "Before.")
    await expect(chat.answers.locator(".plain")).to_contain_text("| a |")


async def test_marks_that_pile_up_or_turn_text_stay_in_place(chat: Chat, script: Script) -> None:
    await answer(chat, script, "a" + "\u0300" * 200 + " and \u202eturned [l](https://example.org)", "turned")
    paragraph = chat.answers.locator(".prose p")
    await expect(paragraph).to_contain_text("[U+202E]turned")
    assert await paragraph.evaluate("p => getComputedStyle(p).overflow") == "clip"


DIAGRAM = """```mermaid
graph TD
    A["<b onclick='parent.harmed=1'>Start</b>"] --> B{Choice}
    B --> C
    click C "https://tracker.example/"
```
"""


async def test_a_diagram_is_drawn_on_a_click_in_a_frame_of_its_own(chat: Chat, script: Script) -> None:
    await answer(chat, script, DIAGRAM, "Start")
    await expect(chat.page.locator("iframe")).to_have_count(0)
    await chat.button("Draw").click()
    picture = chat.page.frame_locator("iframe").locator("svg#diagram")
    await expect(picture).to_be_visible()
    await expect(picture).to_contain_text("Choice")
    await expect(chat.page.locator("iframe")).not_to_have_attribute("height", "40")
    frame = chat.page.frames[-1]
    assert await frame.evaluate("origin") == "null"
    assert await chat.page.evaluate("window.harmed") is None
    await chat.button("Source").click()
    await expect(chat.answers.locator("pre")).to_be_visible()
    await expect(chat.page.locator("iframe")).to_have_count(0)


async def test_a_diagram_with_an_error_stays_its_source(chat: Chat, script: Script) -> None:
    await answer(chat, script, "```mermaid\ngraph nonsense ((\n```\n", "nonsense")
    await chat.button("Draw").click()
    await expect(chat.page.locator(".notice")).to_contain_text("The diagram could not be drawn")
    await expect(chat.answers.locator("pre")).to_be_visible()
