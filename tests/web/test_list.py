"""The list of chats: menus, several at once, what is new, and the search."""

import asyncio

import pytest
from playwright.async_api import Locator, Route, expect

from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio


async def test_the_list_stays_as_long_as_it_was(chat: Chat, script: Script, service: Service) -> None:
    for number in range(130):
        await service.session(title=f"Chat {number}")
    await chat.page.reload()
    for count in (80, 120, 130):
        await chat.button("Show more").click()
        await expect(chat.sessions).to_have_count(count)
    script.play([say("Hi."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    await expect(chat.sessions.first).to_have_text("hello")
    await expect(chat.sessions).to_have_count(131)


async def test_a_refresh_takes_nothing_back_that_was_loaded(chat: Chat, service: Service) -> None:
    for number in range(90):
        await service.session(title=f"Chat {number}")
    await chat.page.reload()
    await expect(chat.sessions).to_have_count(40)
    held, let_go = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        if "before=" not in route.request.url:
            held.set()
            await let_go.wait()
        await route.continue_()

    await chat.page.route("**/api/sessions?*", hold)
    await service.session(title="elsewhere")  # which refreshes the list
    async with asyncio.timeout(20):
        await held.wait()
    await chat.button("Show more").click()
    await expect(chat.sessions).to_have_count(80)
    let_go.set()
    await expect(chat.sessions.first).to_have_text("elsewhere")
    assert await chat.sessions.count() >= 80


async def test_a_renamed_chat_keeps_its_place(chat: Chat, service: Service) -> None:
    for title in ("third", "second", "first"):
        await service.session(title=title)
    await chat.page.reload()
    await chat.choose("Options for second", "Rename")
    await chat.type_title("renamed")
    await expect(chat.sessions).to_have_text(["first", "renamed", "third"])
    await chat.page.reload()
    await expect(chat.sessions).to_have_text(["first", "renamed", "third"])


async def test_a_chat_whose_answer_failed_has_its_name(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([gate, say("late"), stop()])
    await chat.say("# Why *not*?")
    await expect(chat.page.get_by_role("heading", level=1)).to_have_text("Why *not*?")
    await expect(chat.sessions).to_have_accessible_name("Why *not*? , answering")
    await chat.button("Stop").click()
    await expect(chat.sessions).to_have_accessible_name("Why *not*?")


async def test_several_chats_are_deleted_together(chat: Chat, service: Service) -> None:
    for number in range(4):
        await service.session(title=f"Chat {number}")
    await chat.page.reload()
    await chat.choose("Options for Chat 1", "Select")
    selection = chat.page.get_by_role("group", name="Selected chats")
    await expect(selection).to_contain_text("1 selected")
    await chat.page.get_by_role("checkbox", name="Select Chat 2").check()
    await expect(selection).to_contain_text("2 selected")
    await selection.get_by_role("button", name="Delete").click()
    await chat.hold_notices()
    await expect(chat.sessions).to_have_text(["Chat 3", "Chat 0"])
    await expect(chat.page.get_by_text("Deleted 2 chats")).to_be_visible()
    await chat.button("Undo").click()
    await expect(chat.sessions).to_have_count(4)
    await chat.choose("Options for Chat 1", "Select")
    await selection.get_by_role("button", name="All").click()
    await selection.get_by_role("button", name="Delete").click()
    await chat.hold_notices()
    await expect(chat.sessions).to_have_count(0)
    await chat.button("Dismiss").click()
    async with asyncio.timeout(15):
        while (await service.client.get("/api/sessions")).json()["data"]:
            await asyncio.sleep(0.02)


async def test_a_new_answer_elsewhere_is_marked_until_seen(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Soon. "), gate, say("Now."), stop()])
    await chat.say("hello")
    await expect(chat.answers).to_contain_text("Soon.")
    await expect(chat.sessions).to_have_accessible_name("hello , answering")
    await chat.button("New chat").click()
    gate.set()
    await expect(chat.sessions).to_have_accessible_name("hello , has a new answer")
    await chat.page.reload()
    await expect(chat.sessions).to_have_accessible_name("hello , has a new answer")
    await chat.sessions.click()
    await chat.answered("Now.")
    await expect(chat.sessions).to_have_accessible_name("hello")


def results(chat: Chat) -> Locator:
    return chat.page.get_by_role("region", name="Search results")


async def search(chat: Chat, query: str) -> None:
    await chat.page.get_by_role("searchbox", name="Search all chats").fill(query)


async def fill(service: Service, script: Script, title: str, texts: list[str]) -> None:
    session_id = await service.session(title=title)
    for text in texts:
        script.play([say("Yes."), stop()])
        await service.send(session_id, text)


async def test_a_search_groups_by_chat_and_finds_titles(chat: Chat, script: Script, service: Service) -> None:
    await fill(service, script, "A short one", ["One needle."])
    await fill(service, script, "A long one", [f"Needle number {number}." for number in range(7)])
    await service.session(title="All about the needle")
    await search(chat, "NEEDLE")
    await expect(results(chat).get_by_role("list", name="Chats with this title")).to_contain_text(
        "All about the needle"
    )
    await expect(results(chat).get_by_role("heading", level=3)).to_have_text(["A long one", "A short one"])
    await expect(results(chat).locator(".snippet")).to_have_count(4)
    await expect(results(chat).locator(".snippet mark").first).to_have_text("Needle")
    await results(chat).get_by_role("button", name="More in this chat").click()
    await expect(results(chat).locator(".snippet")).to_have_count(8)
    await expect(results(chat).get_by_role("button", name="More in this chat")).to_have_count(0)
    await chat.page.keyboard.press("Control+k")
    await expect(chat.page.get_by_role("searchbox")).to_be_focused()
    await chat.page.keyboard.press("Escape")
    await expect(results(chat)).to_have_count(0)


async def test_a_search_goes_on_further_back(chat: Chat, script: Script, service: Service) -> None:
    for number in range(42):
        await fill(service, script, f"Chat {number}", ["A needle."])
    await search(chat, "needle")
    headings = results(chat).get_by_role("heading", level=3)
    await expect(headings).to_have_count(38)
    await expect(results(chat).get_by_role("heading", level=2)).to_have_text("The first 38")
    await chat.button("Search further back").click()
    await expect(headings).to_have_count(42)
    await expect(results(chat).get_by_role("heading", level=2)).to_have_text("42 found")


async def test_the_conversation_is_one_tab_away(chat: Chat, service: Service) -> None:
    for number in range(5):
        await service.session(title=f"Chat {number}")
    await chat.page.reload()
    await expect(chat.sessions).to_have_count(5)
    await expect(chat.box).to_be_focused()  # the page has moved the focus, and will not again
    await chat.page.get_by_role("navigation").get_by_role("button", name="New chat").focus()
    await chat.page.keyboard.press("Shift+Tab")
    await expect(chat.button("Skip to the message field")).to_be_focused()
    await chat.page.keyboard.press("Enter")
    await expect(chat.box).to_be_focused()
