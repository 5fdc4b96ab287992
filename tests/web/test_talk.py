"""Everything that a user does in a chat, in a browser with the real service."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio


async def test_an_answer_streams_in_and_its_session_is_listed(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("To get "), gate, say("to the *other* side."), stop()])
    await chat.say("why did the chicken cross the road?")
    await expect(chat.user_messages.locator(".bubble")).to_have_text("why did the chicken cross the road?")
    await expect(chat.answers.locator(".prose")).to_have_text("To get")
    await expect(chat.sessions).to_have_accessible_name("why did the chicken cross the road? , answering")
    gate.set()
    await chat.answered("To get to the other side.")
    await expect(chat.answers.locator("em")).to_have_text("other")
    await expect(chat.sessions).to_have_accessible_name("why did the chicken cross the road?")
    await expect(chat.page).to_have_title("why did the chicken cross the road? · chatkeep")


async def test_the_list_marks_an_answer_completed_in_another_chat(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("To get "), gate, say("to the other side."), stop()])
    await chat.say("why did the chicken cross the road?")
    await expect(chat.sessions).to_have_accessible_name("why did the chicken cross the road? , answering")
    await chat.button("New chat").click()
    gate.set()
    await expect(chat.sessions).to_have_accessible_name("why did the chicken cross the road? , has a new answer")


async def test_enter_sends_and_shift_enter_breaks_the_line(chat: Chat, script: Script) -> None:
    script.play([say("Yes."), stop()])
    await chat.box.press_sequentially("one")
    await chat.box.press("Shift+Enter")
    await chat.box.press_sequentially("two")
    await expect(chat.box).to_have_value("one\ntwo")
    await chat.box.press("Enter")
    await chat.answered("Yes.")
    await expect(chat.box).to_have_value("")
    assert script.prompts[0].messages[-1]["content"] == "one\ntwo"


async def test_a_draft_survives_a_reload_in_the_session_it_belongs_to(chat: Chat, script: Script) -> None:
    script.play([say("Hi."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    await chat.box.fill("half a thou")
    await chat.page.reload()
    await expect(chat.box).to_have_value("half a thou")
    await chat.button("New chat").click()
    await expect(chat.box).to_have_value("")
    await chat.sessions.first.click()
    await expect(chat.box).to_have_value("half a thou")


async def test_stop_keeps_the_text_so_far(chat: Chat, script: Script, service: Service) -> None:
    script.play([say("Once upon a time"), asyncio.Event()])
    await chat.say("a story")
    await expect(chat.answers).to_contain_text("Once upon a time")
    await chat.button("Stop").click()
    await chat.answered("Stopped.")
    await expect(chat.answers).to_contain_text("Once upon a time")
    await expect(chat.button("Stop")).to_have_count(0)
    assert script.closed == 1
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    assert session["status"] == "idle"


async def test_answering_again_adds_a_version_one_can_switch_to(chat: Chat, script: Script) -> None:
    script.play([say("First."), stop()], [say("Second."), stop()], [say("After the first."), stop()])
    await chat.say("hello")
    await chat.answered("First.")
    await chat.done(chat.answers.last).click()
    await chat.answered("Second.")
    await expect(chat.answers).to_have_count(1)
    await expect(chat.answers.locator(".versions")).to_have_text("2/2")
    await chat.answers.get_by_role("button", name="Version before").click()
    await expect(chat.answers).to_contain_text("First.")
    await expect(chat.answers.locator(".versions")).to_have_text("1/2")
    await chat.say("and then?")
    await chat.answered("After the first.")
    assert [message["content"] for message in script.prompts[-1].messages[-3:]] == ["hello", "First.", "and then?"]
    await chat.page.reload()
    await expect(chat.answers).to_have_count(2)
    await expect(chat.answers.first.locator(".versions")).to_have_text("1/2")


async def test_an_edited_message_starts_a_branch(chat: Chat, script: Script) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()], [say("Three."), stop()])
    await chat.say("first")
    await chat.answered("One.")
    await chat.say("second")
    await chat.answered("Two.")
    await chat.user_messages.first.hover()
    await chat.user_messages.first.get_by_role("button", name="Edit").click()
    await expect(chat.editor).to_be_focused()
    await chat.editor.fill("changed")
    await chat.editor.press("Enter")
    await chat.answered("Three.")
    await expect(chat.user_messages).to_have_count(1)
    await expect(chat.user_messages.locator(".versions")).to_have_text("2/2")
    assert script.prompts[-1].messages[-1]["content"] == "changed"
    await chat.user_messages.get_by_role("button", name="Version before").click()
    await expect(chat.answers).to_have_count(2)
    await expect(chat.answers.last).to_contain_text("Two.")


async def test_escape_leaves_an_edit_as_it_was(chat: Chat, script: Script) -> None:
    script.play([say("One."), stop()])
    await chat.say("first")
    await chat.answered("One.")
    await chat.user_messages.hover()
    await chat.user_messages.get_by_role("button", name="Edit").click()
    await chat.editor.press("Escape")
    await expect(chat.user_messages.locator(".bubble")).to_have_text("first")


async def test_copy_copies_the_markdown_source(chat: Chat, script: Script) -> None:
    await chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    script.play([say("some *text*\n\n```python\nx = 1\n```"), stop()])
    await chat.say("hello")
    await chat.answered("some text")
    await chat.answers.get_by_role("button", name="Copy", exact=True).last.click()
    await expect(chat.answers.get_by_role("button", name="Copied")).to_be_visible()
    assert await chat.page.evaluate("navigator.clipboard.readText()") == "some *text*\n\n```python\nx = 1\n```"
    copy = chat.answers.locator("figure [data-action=copy]")
    await copy.click()
    await expect(copy).to_have_text("Copied")
    assert await chat.page.evaluate("navigator.clipboard.readText()") == "x = 1\n"


async def test_code_is_coloured_when_it_is_complete(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("```python\nfor x in range(3):\n"), gate, say("    print(x)\n```\n"), stop()])
    await chat.say("code")
    await expect(chat.answers.locator("code")).to_have_text("for x in range(3):\n")
    gate.set()
    await expect(chat.answers.locator("code .hljs-keyword")).to_have_text(["for", "in"])


async def test_a_session_is_renamed_in_the_list(chat: Chat, script: Script) -> None:
    script.play([say("Hi."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    await chat.sessions.hover()
    await chat.button("Options for hello").click()
    await chat.button("Rename").click()
    field = chat.page.get_by_role("textbox", name="Title")
    await expect(field).to_be_focused()
    await field.fill("Greetings")
    await field.press("Enter")
    await expect(chat.sessions).to_have_text("Greetings")
    await expect(chat.page.get_by_role("heading", level=1)).to_have_text("Greetings")


async def test_a_deletion_can_be_undone(chat: Chat, script: Script, service: Service) -> None:
    script.play([say("Hi."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    await chat.choose("Options for hello", "Delete")
    await chat.hold_notices()
    await expect(chat.sessions).to_have_count(0)
    await expect(chat.page.get_by_role("heading", level=1)).to_have_text("New chat")
    await chat.button("Undo").click()
    await chat.answered("Hi.")
    await expect(chat.sessions).to_have_text("hello")
    await chat.choose("Options for hello", "Delete")
    await chat.hold_notices()
    async with chat.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        await chat.button("Dismiss").click()
    assert (await service.client.get("/api/sessions")).json()["data"] == []


async def test_two_deletions_can_both_be_undone(chat: Chat, service: Service) -> None:
    for title in ("second", "first"):
        await service.session(title=title)
    await chat.page.reload()
    for title in ("first", "second"):
        await chat.choose(f"Options for {title}", "Delete")
        await chat.hold_notices()
    await expect(chat.sessions).to_have_count(0)
    for _ in range(2):
        await chat.button("Undo").first.click()
    await expect(chat.sessions).to_have_text(["first", "second"])
    await expect(chat.button("Undo")).to_have_count(0)
    assert len((await service.client.get("/api/sessions")).json()["data"]) == 2


async def test_leaving_the_page_completes_a_pending_deletion(chat: Chat, script: Script, service: Service) -> None:
    script.play([say("Hi."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    await chat.choose("Options for hello", "Delete")
    await chat.page.goto("about:blank")
    while (await service.client.get("/api/sessions")).json()["data"]:
        await asyncio.sleep(0.02)


async def test_a_search_finds_messages_and_leads_to_them(chat: Chat, script: Script) -> None:
    long = "\n\n".join(f"Paragraph {number}." for number in range(60))
    script.play([say("A needle, here."), stop()], [say(long), stop()], [say("Another version."), stop()])
    await chat.say("first")
    await chat.answered("A needle")
    await chat.say("second")
    await chat.answered("Paragraph 59.")
    await edit(chat, "first, but otherwise")
    await chat.answered("Another version.")
    await chat.button("New chat").click()
    search = chat.page.get_by_role("searchbox", name="Search all chats")
    await search.fill("needle here")
    found = chat.page.get_by_role("region", name="Search results").get_by_role("link")
    await expect(found.locator(".snippet")).to_have_text("A needle, here.")
    await expect(found.locator("mark")).to_have_text(["needle", "here"])
    await found.click()
    await expect(chat.answers.first).to_be_focused()
    await expect(chat.answers.first).to_be_in_viewport()
    await expect(chat.answers).to_have_count(2)
    await search.fill("no such words")
    await expect(chat.page.get_by_role("heading", name="Nothing found")).to_be_visible()
    await search.fill("")
    await expect(chat.sessions).to_have_text(["first"])


async def test_a_search_hit_is_shown_once_per_click(chat: Chat, script: Script) -> None:
    script.play([say("A needle, here."), stop()], [say("Another version."), stop()], [say("And on."), stop()])
    await chat.say("first")
    await chat.answered("A needle")
    await edit(chat, "first, but otherwise")
    await chat.answered("Another version.")
    await chat.page.get_by_role("searchbox", name="Search all chats").fill("needle here")
    found = chat.page.get_by_role("region", name="Search results").get_by_role("link")
    await found.click()
    await expect(chat.answers.first).to_be_focused()
    await edit(chat, "changed since")
    await chat.answered("And on.")
    await chat.page.reload()
    await chat.answered("And on.")
    await expect(chat.user_messages).to_contain_text("changed since")
    await chat.page.get_by_role("searchbox", name="Search all chats").fill("needle here")
    for _ in range(2):
        await found.click()
        await expect(chat.answers.first).to_be_focused()
        await expect(chat.answers).to_contain_text("A needle, here.")
        await chat.box.focus()


async def edit(chat: Chat, text: str) -> None:
    """Edit the first message."""
    await chat.user_messages.first.hover()
    await chat.user_messages.first.get_by_role("button", name="Edit").click()
    await chat.editor.fill(text)
    await chat.editor.press("Enter")


async def test_a_user_who_has_scrolled_up_is_not_moved(chat: Chat, script: Script) -> None:
    gates = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
    long = "\n\n".join(f"Paragraph {number}." for number in range(60))
    script.play([say(long), gates[0], say(" MORE "), gates[1], say(long), gates[2], say("THE END"), stop()])
    await chat.say("a long one")
    await expect(chat.answers).to_contain_text("Paragraph 59.")
    await until_at_end(chat)
    await chat.thread.hover()
    await chat.page.mouse.wheel(0, -600)
    await expect(chat.button("Latest")).to_be_visible()
    place = await chat.place()
    gates[0].set()
    gates[1].set()
    await expect(chat.answers.locator("p", has_text="Paragraph 0.")).to_have_count(2)
    assert await chat.place() == place
    await chat.button("Latest").click()
    await expect(chat.button("Latest")).to_have_count(0)
    gates[2].set()
    await chat.answered("THE END")
    await until_at_end(chat)


async def until_at_end(chat: Chat) -> None:
    is_at_end = "box => box.scrollHeight - box.scrollTop - box.clientHeight <= 8"
    await chat.page.wait_for_function(f"({is_at_end})(document.querySelector('.thread'))")
