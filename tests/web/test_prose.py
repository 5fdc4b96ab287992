"""An answer's Markdown looks the same streamed piece by piece and after a reload."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.script import Script, say, stop
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio

LISTS = [
    ["1. **First** thing.\n\n2", ". **Second** thing.\n\n3", ". Third thing.\n\n   More of it.\n\n4", ". Last."],
    ["1. Download it\n*", "*Note:** only once.\n2", ". Run it\n3", ". Done"],
    ["- one\n-", " two\n  1", ". below\n\n", "  2. below too"],
    ["===\n*\ttwo\n--", "-\nA heading after all."],
    ["1. one\u20282", ". two\u20283", ". three"],
    ["a[^1] b[^2", "] c[^none]\n\n[^1]: One.\n[^", "2]: Two."],
    ["<details><summary>S</summ", "ary>\n\ninside\n\n</det", "ails>\n\nafter"],
    ["$$\na\n", "= b\n$$", "\n\n$x$ and $5 and $", "y$"],
]
"""Texts, cut where half a line looks like something else."""


@pytest.mark.parametrize(
    "pieces", LISTS, ids=["loose", "tight", "nested", "heading", "separators", "notes", "fold", "formula"]
)
async def test_streamed_markdown_equals_markdown_rendered_at_once(
    chat: Chat, script: Script, pieces: list[str]
) -> None:
    gates = [asyncio.Event() for _ in pieces]
    script.play([line for piece, gate in zip(pieces, gates, strict=True) for line in (say(piece), gate)] + [stop()])
    await chat.say("a list, please")
    prose, before = chat.answers.locator(".prose"), ""
    for gate in gates:
        await expect(prose).not_to_have_js_property("innerHTML", before)
        before = await prose.inner_html()
        gate.set()
    await expect(chat.done(chat.answers)).to_be_attached()
    source = prose.locator("[data-formula]:not([data-source])")
    await expect(source).to_have_count(0)
    streamed = await prose.inner_html()
    await chat.page.reload()
    await expect(chat.done(chat.answers)).to_be_attached()
    await expect(source).to_have_count(0)
    assert streamed == await prose.inner_html()
