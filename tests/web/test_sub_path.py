"""The web client and `/docs` behind a proxy that serves them below a path."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from chatkeep.settings.public_url import parse_public_url
from tests.script import Script, say, stop
from tests.service import Service, serving, settings
from tests.sub_path import below_a_path
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service with a public address that has a path."""
    async with serving(settings(tmp_path, public_url=parse_public_url("http://127.0.0.1/chat")), script) as service:
        yield service


async def test_the_page_works_below_a_path(context: BrowserContext, service: Service, script: Script) -> None:
    script.play([say("To get to the other side."), stop()])
    async with below_a_path(service.url) as url:
        chat = await Chat.open(context, f"{url}/")
        await chat.say("why did the chicken cross the road?")
        await chat.answered("To get to the other side.")
        await chat.page.reload()
        await chat.answered("To get to the other side.")
        await chat.page.close()


@pytest.mark.parametrize("is_below", [False, True], ids=["at the root", "below a path"])
async def test_docs_try_the_api(context: BrowserContext, service: Service, tmp_path: Path, is_below: bool) -> None:
    plain = serving(settings(f"sqlite:///{tmp_path}/plain.db"))
    async with plain as other, below_a_path(service.url) as url:
        session_id = await (service if is_below else other).session()
        page = await context.new_page()
        await page.goto(f"{url if is_below else other.url}/docs")
        operation = page.locator("#operations-sessions-list_sessions")
        await operation.locator(".opblock-summary-control").click()
        await operation.get_by_role("button", name="Try it out").click()
        await operation.get_by_role("button", name="Execute").click()
        responses = operation.locator(".live-responses-table")
        await expect(responses.locator(".response-col_status").last).to_have_text(re.compile("200"))
        await expect(responses).to_contain_text(session_id)
        await page.close()
