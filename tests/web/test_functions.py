"""Functions as cards: filled while they stream, a form for each, questions as buttons, failures with a reason."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Locator, expect

from chatkeep.errors import ModelRateLimited
from chatkeep.llm.chunks import Choice, Chunk, MessageDelta
from tests.functions import forget, gates, sent
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio

ASSISTANTS = {
    "default": """---
name: default
description: Has functions of every kind.
functions: [explain_joke, detect_sarcasm, tell_joke, suggest_replies, card, weather, send_letter, complain]
starters: ["Write to Ola.", "What is the weather in Oslo?"]
---
You are a test.
""",
    "cook": """---
name: cook
description: Cooks with what is there.
starters: ["I have eggs."]
---
You are a cook.
""",
}
QUESTION = {"question": "Which way?", "choices": ["Left", "Right"]}


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service, with two assistants, one of them with functions of every kind."""
    forget()
    for name, text in ASSISTANTS.items():
        (tmp_path / f"{name}.md").write_text(text)
    async with serving(settings(tmp_path, tools=("tests.functions",), assistants_dir=tmp_path), script) as service:
        yield service


def card(chat: Chat, label: str) -> Locator:
    return chat.answers.last.get_by_role("region", name=label)


async def test_a_reply_fills_as_it_streams(chat: Chat, script: Script) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    script.play([
        call("explain_joke", '{"setup": "Why did the chick'),
        gates[0],
        call(None, 'en cross?", "premise": "A clever'),
        gates[1],
        call(None, ' reason.", "punchline": "None."}'),
        stop("tool_calls"),
    ])  # fmt: skip
    await chat.say("explain it")
    parts = card(chat, "explain joke").get_by_role("paragraph")
    await expect(parts).to_have_text(["Why did the chick", "", ""])
    gates[0].set()
    await expect(parts).to_have_text(["Why did the chicken cross?", "A clever", ""])
    gates[1].set()
    await expect(parts).to_have_text(["Why did the chicken cross?", "A clever reason.", "None."])
    await expect(card(chat, "explain joke").get_by_role("heading")).to_have_text(
        ["The joke, explained", "Set-up", "What you expect", "Punchline"]
    )


async def test_a_sarcasm_score_is_a_gauge(chat: Chat, script: Script) -> None:
    script.play([call("detect_sarcasm", {"quote": "Great, a meeting.", "score": 7}), stop("tool_calls")])
    await chat.say("is it sarcastic?")
    gauge = card(chat, "detect sarcasm").get_by_role("meter", name="Sarcasm")
    await expect(gauge).to_have_attribute("aria-valuenow", "7")
    await expect(gauge.locator(".full")).to_have_count(7)
    await expect(card(chat, "detect sarcasm")).to_contain_text("Great, a meeting.")


BREAK_CARDS = """{
    const stringify = JSON.stringify;
    JSON.stringify = (value, ...rest) => {
        if (value?.broken) throw new Error("broken");
        return stringify(value, ...rest);
    };
}"""
"""Makes drawing a card fail if a field has an object with `broken` in it."""


async def test_a_card_that_cannot_be_drawn_is_text(chat: Chat, script: Script) -> None:
    await chat.page.add_init_script(BREAK_CARDS)
    await chat.page.reload()
    gate = asyncio.Event()
    broken = '{"title": {"broken": 1}}'
    script.play([say("Words."), call("card", broken), gate, stop("tool_calls")], [say("More."), stop()])
    await chat.say("hello")
    await expect(chat.answers.locator(".plain")).to_have_text(broken)
    await expect(chat.answers).to_contain_text("Words.")
    gate.set()
    await chat.answered("More.")


async def test_a_joke_is_a_card_and_any_other_reply_is_a_table(chat: Chat, script: Script) -> None:
    script.play(
        [call("tell_joke", {"text": "A token walks into a bar."}), stop("tool_calls")],
        [call("card", {"title": "<b>Hello</b>"}), stop("tool_calls")],
    )
    await chat.say("a joke")
    await expect(card(chat, "tell joke").locator(".statement")).to_have_text("A token walks into a bar.")
    await chat.say("a card")
    await expect(card(chat, "card").locator("dt")).to_have_text("title")
    await expect(card(chat, "card").locator("dd")).to_have_text("<b>Hello</b>")


async def test_an_action_shows_its_state_and_folds_its_output(chat: Chat, script: Script) -> None:
    gates["Ola"] = asyncio.Event()
    script.play([call("send_letter", {"to": "Ola"}), stop("tool_calls")], [say("It is on its way."), stop()])
    await chat.say("write to Ola")
    action = chat.answers.locator("details.action")
    await expect(action.locator(".state")).to_have_text("running")
    gates["Ola"].set()
    await chat.answered("It is on its way.")
    await expect(action.locator(".state")).to_have_text("done")
    await expect(action.get_by_text("sent to Ola")).not_to_be_visible()
    await action.locator("summary").click()
    await expect(action.locator("dd")).to_have_text("Ola")
    await expect(action.get_by_text("sent to Ola")).to_be_visible()
    assert sent == ["Ola"]


async def test_a_failed_call_says_why(chat: Chat, script: Script) -> None:
    script.play(
        [call("complain", {"kind": "told"}), stop("tool_calls")],
        [call("detect_sarcasm", {"quote": "x", "score": 12}), stop("tool_calls")],
        [say("I am sorry."), stop()],
    )
    await chat.say("complain")
    await chat.answered("I am sorry.")
    states = chat.answers.locator("details.failed .state")
    await expect(states.first).to_contain_text("failed: the shop is closed")
    await expect(states.last).to_contain_text("score")


async def test_a_question_is_answered_with_a_button(chat: Chat, script: Script) -> None:
    script.play([call("ask_user", QUESTION), stop("tool_calls")], [say("Right it is."), stop()])
    await chat.say("where to?")
    question = card(chat, "A question for you")
    await expect(question).to_contain_text("Which way?")
    await expect(chat.button("Stop")).to_have_count(0)
    await chat.page.reload()
    await question.get_by_role("button", name="Right").click()
    await chat.answered("Right it is.")
    await expect(question.get_by_role("button", name="Right")).to_have_attribute("aria-pressed", "true")
    await expect(question.get_by_role("button", name="Left")).to_be_disabled()
    assert '{"choice":"Right"}' in str(script.prompts[-1].messages[-1]["content"])
    await chat.page.reload()
    await expect(question.get_by_role("button", name="Right")).to_have_attribute("aria-pressed", "true")


async def test_a_question_that_another_tab_answered_is_answered_here(
    chat: Chat, context: BrowserContext, script: Script
) -> None:
    script.play([call("ask_user", QUESTION), stop("tool_calls")], [say("Left, then."), stop()])
    await chat.say("where to?")
    await expect(card(chat, "A question for you").get_by_role("button", name="Left")).to_be_enabled()
    other = await Chat.open(context, chat.page.url)
    await card(other, "A question for you").get_by_role("button", name="Left").click()
    for tab in (chat, other):
        await tab.answered("Left, then.")


async def test_a_user_may_write_something_else_instead_of_answering(chat: Chat, script: Script) -> None:
    script.play([call("ask_user", QUESTION), stop("tool_calls")], [say("As you like."), stop()])
    await chat.say("where to?")
    await expect(card(chat, "A question for you").get_by_role("button", name="Left")).to_be_enabled()
    await chat.say("neither")
    await chat.answered("As you like.")
    first = chat.answers.first
    await expect(first.get_by_role("button", name="Left")).to_be_disabled()
    await expect(first).to_contain_text("Nobody chose.")


async def test_a_click_sends_a_suggested_reply(chat: Chat, script: Script) -> None:
    replies = {"replies": ["Tell me more", "Enough"]}
    script.play([say("Well."), call("suggest_replies", replies), stop("tool_calls")], [say("More."), stop()])
    await chat.say("hello")
    chips = chat.page.get_by_role("group", name="Suggested replies")
    await chips.get_by_role("button", name="Tell me more").click()
    await chat.answered("More.")
    await expect(chat.user_messages.last).to_contain_text("Tell me more")
    await expect(chips).to_have_count(0)


async def test_an_empty_session_offers_assistants_and_ways_to_begin(
    chat: Chat, script: Script, service: Service
) -> None:
    script.play([say("An omelette."), stop()])
    await expect(chat.button("Write to Ola.")).to_be_visible()
    await chat.page.get_by_role("radio", name="cook").check()
    await chat.button("I have eggs.").click()
    await chat.answered("An omelette.")
    await expect(chat.sessions).to_have_text("I have eggs")
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    assert session["assistant"] == "cook"


async def test_a_failed_answer_says_why_and_can_be_tried_again(chat: Chat, script: Script) -> None:
    script.play([say("Half a "), ModelRateLimited("slow down, please")], [say("A whole answer."), stop()])
    await chat.say("hello")
    note = chat.answers.locator(".note")
    await expect(note).to_contain_text("The model is asked too much at the moment.")
    await expect(note).to_contain_text("slow down, please")
    await expect(chat.answers).to_contain_text("Half a")
    await chat.page.reload()
    await expect(note).to_contain_text("slow down, please")
    await note.get_by_role("button", name="Try again").click()
    await chat.answered("A whole answer.")


@pytest.mark.parametrize(
    ("reason", "says"),
    [("length", "length limit"), ("content_filter", "content filter"), (None, "was cut off on its way")],
)
async def test_a_cut_answer_says_so(chat: Chat, script: Script, reason: str | None, says: str) -> None:
    script.play([say("Half a"), *([stop(reason)] if reason else [])])
    await chat.say("hello")
    await chat.answered(says)


async def test_thoughts_are_folded(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([thought("First.\n\nLet me **think**."), gate, say("Yes."), stop()])
    await chat.say("hello")
    thoughts = chat.answers.locator("details.reasoning")
    await expect(thoughts.locator(".glimpse")).to_have_text("Let me think.")
    gate.set()
    await chat.answered("Yes.")
    await expect(thoughts.locator("summary")).to_have_text(re.compile(r"Thought for \d+ s"))
    await expect(thoughts.get_by_text("Let me think.")).not_to_be_visible()
    await thoughts.locator("summary").click()
    await expect(thoughts.get_by_text("Let me think.")).to_be_visible()
    await expect(thoughts.locator("strong")).to_have_text("think")


def thought(text: str) -> Chunk:
    return Chunk([Choice(MessageDelta(reasoning_content=text))])
