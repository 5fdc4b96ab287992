"""Long sessions and long answers."""

import asyncio

import pytest
from playwright.async_api import BrowserContext, expect

from chatkeep import clock, ids
from chatkeep.chat.types import Message, TextPart
from chatkeep.db import Transaction
from chatkeep.store import messages as store_messages
from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio

MANY = 5_000


@pytest.fixture
async def long_session(service: Service) -> str:
    """A session of 5,000 messages, as after a year of use."""
    session_id = await service.session(title="A year")
    names = [ids.new() for _ in range(MANY)]

    async def write(tx: Transaction) -> None:
        for index, name in enumerate(names):
            part = TextPart(f"Message number {index}. It has **some** text, so that it has a height.")
            role = "assistant" if index % 2 else "user"
            parent = names[index - 1] if index else None
            message = Message(name, session_id, parent, index + 1, role, (part,), None, "completed", clock.now())
            await store_messages.add_message(tx, message)
        head = (names[-1], MANY + 1)
        await tx.run("UPDATE sessions SET head_id = $2, next_message = $3 WHERE id = $1", session_id, *head)

    await service.runtime.db.transaction(write)
    return session_id


async def test_a_session_of_5000_messages_opens_at_its_end(
    context: BrowserContext, service: Service, script: Script, long_session: str
) -> None:
    chat = await Chat.open(context, f"{service.url}/#{long_session}")
    await expect(chat.answers.last).to_contain_text("Message number 4999.")
    article_count = await chat.page.locator("article").count()
    assert article_count < 200
    first = chat.page.locator("article").first
    anchor = chat.page.locator("article", has_text="Message number 4905.")
    await anchor.evaluate("message => message.scrollIntoView()")
    await expect(chat.page.locator("article")).not_to_have_count(article_count)
    await chat.drawn()
    assert abs(await anchor.evaluate("message => message.getBoundingClientRect().top") - await top(chat)) < 40
    await expect(first).not_to_contain_text("Message number 4900.")
    script.play([say("Still here."), stop()])
    await chat.say("are you still there?")
    await chat.answered("Still here.")


async def top(chat: Chat) -> float:
    return await chat.thread.evaluate("box => box.getBoundingClientRect().top")


async def test_an_answer_rerenders_none_of_5000_messages(
    context: BrowserContext, service: Service, script: Script, long_session: str
) -> None:
    chat = await Chat.open(context, f"{service.url}/#{long_session}")
    await expect(chat.answers.last).to_contain_text("Message number 4999.")
    earlier = chat.page.locator(".older")  # by role would be a search through thousands of messages
    while await earlier.count():
        await chat.thread.evaluate("box => box.scrollTo(0, 0)")
        await asyncio.sleep(0)
    await expect(chat.page.locator("article").first).to_contain_text("Message number 0.")
    await expect(chat.page.locator(".message")).to_have_count(MANY)
    await chat.page.wait_for_function("document.querySelectorAll('article').length < 300")  # the others are let go
    gate = asyncio.Event()
    script.play([*[say(f"word{number} ") for number in range(200)], gate, say("END"), stop()])
    await chat.say("go on")
    await expect(chat.answers.last).to_contain_text("word199")
    await chat.page.evaluate(WATCH)
    gate.set()
    await chat.answered("END")
    touched: list[str] = await chat.page.evaluate("window.touched")
    assert set(touched) <= {"message"}  # boxes that are filled or emptied as the end moves away
    assert len(touched) < 20


WATCH = """() => {
    window.touched = [];
    const last = [...document.querySelectorAll("article")].at(-1);
    new MutationObserver(changes => window.touched.push(
        ...changes.filter(change => !last.contains(change.target)).map(change => change.target.className)
    )).observe(document.querySelector(".column"),
        { subtree: true, childList: true, characterData: true, attributes: true });
}"""
"""Records changes outside the last message: the cost of a token may not grow with the session."""


async def test_an_answer_of_100_kb_streams_without_a_stutter(chat: Chat, script: Script) -> None:
    """Complete blocks are never drawn again: the work for a piece does not grow with the answer."""
    paragraph = "Some **words** with `code`, a [link](https://example.org) and *more* words, as a model writes them. "
    pieces = [say(f"{paragraph * 5}\n\n- one\n- two\n\n```python\nx = {number}\n```\n\n") for number in range(300)]
    gate = asyncio.Event()
    script.play([*pieces[:150], gate, *pieces[150:], say("THE END"), stop()])
    await chat.say("a book, please")
    await expect(chat.answers.locator("figure")).to_have_count(150)
    await chat.page.evaluate("document.querySelector('.prose p').marked = true")
    gate.set()
    await chat.answered("THE END")
    text = await chat.answers.locator(".prose").inner_text()
    assert len(text) > 100_000
    assert await chat.page.evaluate("document.querySelector('.prose p').marked") is True
    await chat.page.reload()
    await chat.answered("THE END")
    assert await chat.answers.locator(".prose").inner_text() == text


async def test_a_big_table_and_big_code_are_whole(chat: Chat, script: Script) -> None:
    """They are drawn in pieces: rows into one table, lines into one block, and copied as they were written."""
    rows = "".join(f"| {number} | a cell |\n" for number in range(3_000))
    code = "x = 1\n\n" * 4_000 + "[1, 2], " * 4_000 + "\n"
    text = f"Table:\n\n| n | what |\n|--:|---|\n{rows}\n```\n{code}```\n\nTHE END"
    script.play([*[say(text[at : at + 5_000]) for at in range(0, len(text), 5_000)], stop()])
    await chat.say("please")
    await chat.answered("THE END")
    for _ in range(2):
        await expect(chat.answers.locator(".prose > :last-child")).to_have_text("THE END")
        assert await chat.answers.locator("table").count() == 1
        assert await chat.answers.locator("tbody tr").count() == 3_000
        assert await chat.answers.locator("pre").evaluate("pre => pre.textContent") == code
        await chat.page.reload()
        await expect(chat.done(chat.answers)).to_be_attached()


async def test_an_endless_word_is_laid_out_without_kerning(chat: Chat, script: Script) -> None:
    """With kerning, laying out 300,000 letters takes minutes, in which the page is frozen."""
    script.play([say("x" * 300_000), say("\n\nTHE END"), stop()])
    await chat.say("please")
    await chat.answered("THE END")
    kerning = "box => [...box.children].map(each => getComputedStyle(each).fontKerning)"
    assert set(await chat.answers.locator(".prose").evaluate(kerning)) == {"none", "auto"}


async def test_all_of_a_long_session_is_printed(
    context: BrowserContext, service: Service, script: Script, long_session: str
) -> None:
    chat = await Chat.open(context, f"{service.url}/#{long_session}")
    await expect(chat.answers.last).to_contain_text("Message number 4999.")
    for count in (200, 300):
        await chat.thread.evaluate("box => box.scrollTo(0, 0)")
        await expect(chat.page.locator(f".message:nth-child({count + 1})")).to_be_attached()
    await chat.thread.evaluate("box => box.scrollTo(0, box.scrollHeight)")
    await expect(chat.page.locator(".message").first).to_have_text("")
    await chat.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    await expect(chat.page.locator(".message").first).to_contain_text("Message number")
