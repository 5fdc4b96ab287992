"""Reading aloud and dictation, with stand-ins for what a browser without sound does not have."""

import pytest
from playwright.async_api import BrowserContext, expect

from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio

VOICES = """
window.said = [];
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
Object.defineProperty(window, "speechSynthesis", { value: Object.assign(new EventTarget(), {
    getVoices: () => [
        { name: "far", lang: "en-US", localService: false }, { name: "near", lang: "en-US", localService: LOCAL },
    ],
    speak: utterance => window.said.push(utterance),
    cancel: () => window.said.splice(0),
}) });
"""
EARS = """
window.SpeechRecognition = class extends EventTarget {
    static available = async ({ processLocally }) => processLocally ? "available" : "unavailable";
    start() { window.ears = this; }
    stop() { this.dispatchEvent(new Event("end")); }
};
window.hear = (...texts) => window.ears.dispatchEvent(
    Object.assign(new Event("result"), { results: texts.map(transcript => [{ transcript }]) }));
"""


async def test_an_answer_is_read_aloud_without_its_code(
    context: BrowserContext, service: Service, script: Script
) -> None:
    await context.add_init_script(VOICES.replace("LOCAL", "true"))
    chat = await Chat.open(context, service.url)
    script.play([say("Some *words*.\n\n- one\n\n```\ncode\n```\n"), stop()])
    await chat.say("please")
    await chat.answered("words")
    await chat.button("Read aloud").click()
    await expect(chat.button("Stop reading")).to_be_visible()
    spoken: list[list[str]] = await chat.page.evaluate("window.said.map(each => [each.text, each.voice.name])")
    assert spoken == [["Some words.", "near"], ["one", "near"]]
    await chat.button("Stop reading").click()
    assert await chat.page.evaluate("window.said.length") == 0
    await chat.button("Read aloud").click()
    await expect(chat.button("Stop reading")).to_be_visible()
    await chat.page.evaluate("window.said.at(-1).onend()")
    await expect(chat.button("Read aloud")).to_be_attached()


async def test_a_voice_of_a_server_is_not_used(context: BrowserContext, service: Service, script: Script) -> None:
    await context.add_init_script(VOICES.replace("LOCAL", "false"))
    chat = await Chat.open(context, service.url)
    script.play([say("Some words."), stop()])
    await chat.say("please")
    await chat.answered("words")
    await expect(chat.button("Read aloud")).to_have_count(0)
    await expect(chat.button("Dictate")).to_have_count(0)


async def test_what_is_said_is_written_behind_the_text(context: BrowserContext, service: Service) -> None:
    await context.add_init_script(EARS)
    chat = await Chat.open(context, service.url)
    await chat.box.fill("Dear")
    dictate = chat.button("Dictate")
    await dictate.click()
    await expect(dictate).to_have_attribute("aria-pressed", "true")
    await chat.page.evaluate("window.hear('Maria', ' and Ola')")
    await expect(chat.box).to_have_value("Dear Maria and Ola")
    assert await chat.page.evaluate("window.ears.processLocally") is True
    await dictate.click()
    await expect(dictate).to_have_attribute("aria-pressed", "false")
