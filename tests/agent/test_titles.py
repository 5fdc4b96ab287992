"""Titles: from the first words, or from the model; set once, and never in place of the user's own."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chatkeep.agent.titles import MAX_TITLE_CHARS, title_from_words
from chatkeep.errors import ModelUnavailable
from tests.api.streams import until
from tests.script import Line, Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

DONE: list[Line] = [say("Well."), stop()]


async def title(service: Service, session_id: str) -> str | None:
    return (await service.client.get(f"/api/sessions/{session_id}")).json()["title"]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Why did the chicken?", "Why did the chicken?"),
        ("# Plan\n\nBuy *eggs*", "Plan"),
        ("\n  > 'quoted'  \nmore", "quoted"),
        ("***", None),
        ("word " * 30, "word word word word word word word word word word word…"),
        ("x" * 100, "x" * (MAX_TITLE_CHARS - 1) + "…"),
        ("为什么鸡要过马路?" * 10, ("为什么鸡要过马路?" * 10)[: MAX_TITLE_CHARS - 1] + "…"),
    ],
)
def test_a_title_is_the_first_line_cut_between_words(text: str, title: str | None) -> None:
    assert title_from_words(text) == title
    assert title is None or len(title) <= MAX_TITLE_CHARS


async def test_a_session_has_its_title_as_its_first_turn_begins(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("W"), gate, say("ell."), stop()], DONE)
    session_id = await service.session()
    assert await title(service, session_id) is None
    run_id = (await service.start(session_id, "Why did the chicken cross?"))["run"]["id"]
    assert await title(service, session_id) == "Why did the chicken cross?"
    gate.set()
    await service.events(run_id)
    await service.send(session_id, "And the duck?")
    assert await title(service, session_id) == "Why did the chicken cross?"
    assert len(script.prompts) == 2


async def test_a_turn_that_fails_has_given_a_title(service: Service, script: Script) -> None:
    script.play([ModelUnavailable("no")], DONE, DONE)
    session_id = await service.session()
    await service.send(session_id, "***")
    assert await title(service, session_id) is None
    await service.send(session_id, "Second?")
    assert await title(service, session_id) == "Second?"


async def test_the_model_titles_a_session_answered_again(tmp_path: Path, script: Script) -> None:
    script.play([ModelUnavailable("no")], DONE, [say("A crossing"), stop()])
    async with serving(settings(tmp_path, titles="model"), script) as service:
        session_id = await service.session()
        failed = await service.send(session_id, "Why did the chicken cross?")
        assert await title(service, session_id) == "Why did the chicken cross?"
        body = {"message_id": failed["user_message"]["id"]}
        headers = {"accept": "application/json"}
        await service.client.post(f"/api/sessions/{session_id}/runs", json=body, headers=headers)
        await until(lambda: script.closed == 3)
        await until(lambda: not service.runtime.background_tasks)
        assert await title(service, session_id) == "A crossing"


async def test_a_title_set_by_the_user_during_the_turn_stays(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("W"), gate, say("ell."), stop()], DONE)
    session_id = await service.session()
    run_id = (await service.start(session_id, "Hi"))["run"]["id"]
    await service.client.patch(f"/api/sessions/{session_id}", json={"title": "Mine"})
    gate.set()
    await service.events(run_id)
    assert await title(service, session_id) == "Mine"


async def named_by_model(tmp_path: Path, script: Script, *scenes: Any) -> str | None:
    """Return the session after a turn whose title the model writes."""
    script.play(DONE, *scenes)
    async with serving(settings(tmp_path, titles="model"), script) as service:
        session_id = await service.session()
        await service.send(session_id, "Why did the chicken cross?")
        await until(lambda: script.closed == 2)
        await until(lambda: not service.runtime.background_tasks)
        return await title(service, session_id)


async def test_the_model_can_write_the_title(tmp_path: Path, script: Script) -> None:
    assert (
        await named_by_model(tmp_path, script, [say(' "Chicken '), say('crossing."\nmore'), stop()])
        == "Chicken crossing"
    )
    prompt = script.prompts[1]
    assert prompt.tools == ()
    assert prompt.messages[1] == {"role": "user", "content": "user: Why did the chicken cross?\nassistant: Well."}


@pytest.mark.parametrize("scene", [[ModelUnavailable("no")], [say("x" * 500), stop()], [say('"'), stop()]])
async def test_an_unusable_title_leaves_the_first_words(tmp_path: Path, script: Script, scene: list[Line]) -> None:
    assert await named_by_model(tmp_path, script, scene) == "Why did the chicken cross?"


async def test_automatic_titles_can_be_switched_off(tmp_path: Path, script: Script) -> None:
    script.play(DONE)
    async with serving(settings(tmp_path, titles="off"), script) as service:
        session_id = await service.session()
        await service.send(session_id, "Hi")
        assert await title(service, session_id) is None
