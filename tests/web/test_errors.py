"""Errors with a way on: by their code, in our words, and what asks again by itself."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from chatkeep.chat.limits import Limits
from chatkeep.chat.people import LOCAL_USER
from chatkeep.errors import ContextOverflow, ModelAuth, ModelQuota, ModelRateLimited, ToolStepsExceeded, TurnFailed
from chatkeep.store import limits as store_limits
from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio


async def failed(chat: Chat, script: Script, error: TurnFailed) -> None:
    """Send a message whose answer fails."""
    script.play([error])
    await chat.say("hello")
    await expect(chat.answers.last.locator(".note")).to_be_visible()
    await expect(chat.answers.last.locator(".note")).not_to_have_text(re.compile("not complete"))


@pytest.mark.parametrize("error", [ModelAuth("Get a key at example.org"), ModelQuota("Buy credit")])
async def test_the_operators_fault_names_the_operator(chat: Chat, script: Script, error: TurnFailed) -> None:
    await failed(chat, script, error)
    note = chat.answers.last.locator(".note")
    await expect(note.locator("p").first).to_contain_text("The operator has to")
    await expect(note.get_by_text(str(error))).to_be_hidden()
    await note.locator("summary").click()
    await expect(note.get_by_text(str(error))).to_be_visible()
    await expect(note.get_by_role("timer")).to_have_count(0)


async def test_a_rate_limit_is_waited_for_and_asked_again(chat: Chat, script: Script) -> None:
    await failed(chat, script, ModelRateLimited("Please try again in 1.5s."))
    script.play([say("Here it is."), stop()])
    await chat.answered("Here it is.")
    await expect(chat.answers).to_have_count(1)
    assert len(script.prompts) == 2


async def test_the_wait_for_a_rate_limit_can_be_called_off(chat: Chat, script: Script) -> None:
    await failed(chat, script, ModelRateLimited("Please try again in 50 seconds."))
    timer = chat.answers.last.get_by_role("timer")
    await expect(timer).to_have_text(re.compile(r"Asked again in (50|4\d) s\."))
    await chat.button("Not now").click()
    await expect(timer).to_have_count(0)
    script.play([say("Here it is."), stop()])
    await chat.button("Try again").click()
    await chat.answered("Here it is.")


async def test_a_chat_that_is_too_long_goes_on_with_its_end(chat: Chat, script: Script) -> None:
    for number in range(3):
        script.play([say(f"Answer {number}."), stop()])
        await chat.say(f"question {number}")
        await chat.answered(f"Answer {number}.")
    await failed(chat, script, ContextOverflow("maximum context length is 8192"))
    note = chat.answers.last.locator(".note")
    await expect(note.locator("p").first).to_have_text("This is too long for the model.")
    await expect(note.get_by_role("button", name="Try again")).to_have_count(0)
    script.play([say("Shorter."), stop()])
    await note.get_by_role("button", name="Go on with the last messages").click()
    await chat.answered("Shorter.")
    *_, last = script.prompts[-1].messages
    assert "> You answered: Answer 2." in last["content"]
    assert "question 0" not in last["content"]
    assert last["content"].endswith("\n\nhello")
    await expect(chat.answers).to_have_count(1)


async def test_a_chat_that_is_too_long_can_start_over(chat: Chat, script: Script) -> None:
    script.play([say("One."), stop()])
    await chat.say("first")
    await chat.answered("One.")
    await failed(chat, script, ContextOverflow("too long"))
    script.play([say("Anew."), stop()])
    await chat.button("Ask without what was said before").click()
    await chat.answered("Anew.")
    assert [each["content"] for each in script.prompts[-1].messages[1:]] == ["hello"]
    await expect(chat.user_messages.locator(".versions")).to_have_text("2/2")  # what was said before is kept


async def test_a_message_that_needs_other_words_can_be_edited(chat: Chat, script: Script) -> None:
    await failed(chat, script, ToolStepsExceeded("8 steps"))
    await chat.button("Change the message").click()
    await expect(chat.page.get_by_role("textbox", name="Edit your message")).to_be_focused()


async def test_two_tabs_ask_again_once(chat: Chat, script: Script) -> None:
    await failed(chat, script, ModelRateLimited("try again in 3 s"))
    other = await Chat.open(chat.page.context, chat.page.url)
    await expect(other.answers.last.get_by_role("timer")).to_be_visible()
    script.play([say("Once."), stop()], [say("Twice."), stop()])
    for tab in (chat, other):
        await tab.answered("Once.")
    assert len(script.prompts) == 2


async def test_a_cut_answer_is_gone_on_with(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("To get to the oth"), stop("length")], [gate, say("er *side*."), stop()])
    await chat.say("why?")
    await chat.answered("The answer reached the model's length limit.")
    await chat.button("Continue").click()
    await expect(chat.answers).to_have_attribute("aria-busy", "true")  # it has begun, with the old text alone
    gate.set()
    await chat.answered("To get to the other side.")
    await expect(chat.answers.locator(".prose p")).to_have_count(1)
    await expect(chat.answers.locator(".prose")).to_have_count(1)
    await expect(chat.answers.locator(".handover")).to_have_count(0)  # the same model went on
    await expect(chat.answers.locator(".versions")).to_have_text("2/2")


async def test_a_stopped_answer_is_gone_on_with(chat: Chat, script: Script) -> None:
    script.play([say("Once upon"), asyncio.Event()], [say(" a time."), stop()])
    await chat.say("a story")
    await expect(chat.answers).to_contain_text("Once upon")
    await chat.page.keyboard.press("Escape")
    await chat.button("Continue").click()
    await chat.answered("Once upon a time.")


async def limit(service: Service, **limits: int) -> None:
    """Give the user of the page these limits."""
    await service.runtime.db.transaction(lambda tx: store_limits.set_own(tx, LOCAL_USER, Limits(**limits)))


async def test_a_limit_says_until_when_it_holds(chat: Chat, service: Service, script: Script) -> None:
    await limit(service, messages_hour=1)
    script.play([say("One."), stop()])
    await chat.say("first")
    await chat.answered("One.")
    await chat.say("second")
    note = chat.page.get_by_role("status").filter(has_text="as many messages as you may in an hour")
    await expect(note.get_by_role("timer")).to_have_text(re.compile(r"Sent in (61|60|59) min\."))


async def test_a_message_is_sent_when_there_is_room(chat: Chat, service: Service, script: Script) -> None:
    await limit(service, open_runs=1)
    gate = asyncio.Event()
    script.play([say("One"), gate, stop()], [say("Two."), stop()])
    other = await service.session()
    await service.start(other, "elsewhere")
    await chat.say("here")
    note = chat.page.get_by_role("status").filter(has_text="as many answers under way as you may")
    await expect(note).to_be_visible()
    gate.set()
    await chat.answered("Two.")
    await expect(note).to_have_count(0)
