"""The app of `examples/use-chat` (React, `useChat`), built, served by Vite, and driven in a browser."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.api.streams import PATIENCE
from tests.needs import ROOT, needs, node_and_npm
from tests.script import Script, call, say, stop, think
from tests.service import Service

pytestmark = pytest.mark.anyio

EXAMPLE = ROOT / "examples" / "use-chat"
PACKAGES = EXAMPLE / "node_modules"


@pytest.fixture(scope="session")
def node() -> str:
    """Node's path; without the app's packages the test is skipped."""
    needs(
        "installed" if PACKAGES.exists() else None,
        "the example's packages are not installed: python web/client.py install examples/use-chat",
    )
    return node_and_npm()[0]


@pytest.fixture(scope="session")
def app(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app in a folder of its own, checked and built."""
    folder = tmp_path_factory.mktemp("use-chat") / "app"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "node_modules").symlink_to(PACKAGES)
    for program in (["typescript", "bin", "tsc"], ["vite", "bin", "vite.js", "build"]):
        package, place, name, *words = program
        script = str(PACKAGES / package / place / name)
        done = subprocess.run(
            [node, script, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=100
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@asynccontextmanager
async def previewing(node: str, app: Path, service: Service) -> AsyncGenerator[str]:
    """Serve the built app on a free port until the block ends. Yields its address."""
    words = [str(PACKAGES / "vite" / "bin" / "vite.js"), "preview", "--host", "127.0.0.1", "--port", "0"]
    env = {**os.environ, "CHATKEEP_URL": service.url, "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(node, *words, cwd=app, env=env, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not (found := re.search(rb"http://127\.0\.0\.1:\d+/", await process.stdout.readline())):
                assert process.returncode is None
        yield found[0].decode()
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
async def page(context: BrowserContext, node: str, app: Path, service: Service) -> AsyncGenerator[Page]:
    """A tab with the app, in a new chat."""
    async with previewing(node, app, service) as address:
        page = await context.new_page()
        await page.goto(address)
        await expect(page.get_by_role("textbox", name="Message")).to_be_visible()
        yield page
        await page.close()


async def send(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Message")
    await box.fill(text)
    await box.press("Enter")


async def expect_chat(page: Page, *texts: str) -> None:
    """Wait until the chat has ended and its messages have these texts."""
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await expect(page.locator("article p")).to_have_text(list(texts))


async def test_text_thoughts_and_a_function_of_the_page(page: Page, script: Script) -> None:
    script.play(
        [think("Colours…"), say("Wait."), call("pick_colour", '{"question":"Which?"}', 0, "c"), stop("tool_calls")],
        [say("Red it is."), stop()],
        [say("Yes."), stop()],
    )
    await send(page, "pick one")
    await page.get_by_role("group", name="Which?").get_by_role("button", name="red").click()
    await expect_chat(page, "pick one", "Wait.", "Red it is.")
    await expect(page.locator("details")).to_contain_text("Colours…")
    await expect(page.locator("code")).to_have_text('pick_colour: {"colour":"red"}')
    await send(page, "sure?")
    await expect_chat(page, "pick one", "Wait.", "Red it is.", "sure?", "Yes.")
    assert len(script.prompts) == 3


async def test_a_reload_in_the_middle_of_an_answer(page: Page, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("One, "), gate, say("two."), stop()])
    await send(page, "count")
    await expect(page.locator("article.assistant")).to_contain_text("One, ")
    await page.reload()
    await expect(page.locator("article.assistant")).to_contain_text("One, ")
    await expect(page.get_by_role("button", name="Stop")).to_be_visible()
    gate.set()
    await expect_chat(page, "count", "One, two.")
    await page.reload()
    await expect_chat(page, "count", "One, two.")


async def test_a_reload_while_the_page_is_asked(page: Page, script: Script) -> None:
    script.play(
        [call("pick_colour", '{"question":"Which?"}', 0, "c"), stop("tool_calls")], [say("Blue it is."), stop()]
    )
    await send(page, "pick one")
    await expect(page.get_by_role("group", name="Which?")).to_be_visible()
    await page.reload()
    await page.get_by_role("group", name="Which?").get_by_role("button", name="blue").click()
    await expect_chat(page, "pick one", "Blue it is.")


async def test_stop_edit_and_answer_again(page: Page, script: Script, service: Service) -> None:
    script.play([say("One, "), asyncio.Event()], [say("A."), stop()], [say("B."), stop()])
    await send(page, "count")
    await expect(page.locator("article.assistant")).to_contain_text("One, ")
    await page.get_by_role("button", name="Stop").click()
    await expect_chat(page, "count", "One, ")
    await expect(page.locator("article.assistant")).to_have_attribute("data-status", "cancelled")
    await page.get_by_role("button", name="Edit").click()
    await send(page, "say a letter")
    await expect_chat(page, "say a letter", "A.")
    await page.get_by_role("button", name="Answer again").click()
    await expect_chat(page, "say a letter", "B.")
    await page.reload()
    await expect_chat(page, "say a letter", "B.")
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    everything = await service.client.get(f"/api/sessions/{session['id']}/messages?branches=all")
    assert len(everything.json()["data"]) == 5


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (EXAMPLE / "package-lock.json").read_text("utf-8")
