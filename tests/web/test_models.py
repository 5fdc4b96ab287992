"""The model of a chat, and what is known of an answer."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.models import PLAIN, write_models
from tests.provider import Provider, streams, text_chunks
from tests.script import Script, say, stop
from tests.service import Service, serving, settings
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """Return a service with two models, answered by `script`."""
    one = 'base_url = "http://127.0.0.1:9/v1"'
    path = write_models(tmp_path, {"fast": PLAIN, "big": PLAIN}, one=one)
    async with serving(settings(tmp_path, models=path, model="fast"), script) as service:
        yield service


async def test_the_model_of_a_chat_is_chosen_and_changed(
    service: Service, context: BrowserContext, script: Script
) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()], [say("Three."), stop()])
    chat = await Chat.open(context, service.url)
    model = chat.page.get_by_role("combobox", name="Model")
    await expect(model.get_by_role("option")).to_have_text(["Default model", "big", "fast"])
    await model.select_option("big")
    await chat.say("first")
    await chat.answered("One.")
    await expect(model).to_have_value("big")
    await chat.select(model, "")
    await expect(model).to_have_value("")
    await chat.say("second")
    await chat.answered("Two.")
    await chat.page.reload()
    await expect(model).to_have_value("")
    assert [prompt.model for prompt in script.prompts] == ["big", "fast"]


async def test_an_answer_says_who_made_it(service: Service, context: BrowserContext, script: Script) -> None:
    script.play([say("One."), stop(tokens=(1_200, 3))])
    chat = await Chat.open(context, service.url)
    await chat.say("first")
    await chat.answered("One.")
    facts = chat.button("About this answer")
    await expect(facts).to_have_attribute("aria-expanded", "false")
    await facts.click()
    await expect(chat.answers.locator(".facts")).to_contain_text("fast · ")
    await expect(chat.answers.locator(".facts")).to_contain_text("1,200 + 3 tokens")
    await facts.click()
    await expect(chat.answers.locator(".facts")).to_have_count(0)


async def test_an_answer_says_what_it_cost(provider: Provider, context: BrowserContext, tmp_path: Path) -> None:
    path = write_models(tmp_path, {"fast": f"{PLAIN}price = {{input = 0.25, output = 2.0}}\n"}, one=provider)
    provider.answers = [streams(*text_chunks("One.", usage=(1_000, 50)))]
    async with serving(settings(tmp_path, models=path, model="fast", currency="EUR")) as service:
        chat = await Chat.open(context, service.url)
        await chat.say("first")
        await chat.answered("One.")
        await chat.button("About this answer").click()
        await expect(chat.answers.locator(".facts")).to_contain_text("1,000 + 50 tokens · €0.00035")
