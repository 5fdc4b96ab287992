"""A browser whose pages may log no error and send no request to another host."""

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from chatkeep.api.routes.pages import load_bundle
from tests.needs import needs
from tests.script import Script
from tests.service import Service, serving, settings
from tests.web.chat import Chat

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
EXPECTED = ("Failed to load resource", "the stream was lost", "the list of sessions could not be read")
"""Console messages of a network or service that is away, which tests cause on purpose."""


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """One event loop for all tests with the browser."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
async def browser(anyio_backend: object) -> AsyncGenerator[Browser]:
    """Chromium, without a window."""
    del anyio_backend
    needs("built" if load_bundle().is_built else None, "the web client is not built: make web")
    found = needs(next(filter(None, map(shutil.which, BROWSERS)), None), "no Chromium here")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service, answered by `script`. A browser cannot tell the engines apart: one is enough."""
    async with serving(settings(tmp_path), script) as service:
        yield service


class Watched:
    """The errors of a test's pages, and the hosts of their requests."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.hosts: set[str] = set()

    def watch(self, page: Page) -> None:
        """Record a page's errors and requests."""
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or request.url[:40]))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED):
            self.complaints.append(message.text)


@pytest.fixture
async def context(browser: Browser) -> AsyncGenerator[BrowserContext]:
    """A fresh browser context. Its pages may raise no script error, break no policy, and request only the service."""
    watched = Watched()
    context = await browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(30_000)
    context.on("page", watched.watch)
    yield context
    await context.close()
    assert watched.complaints == []
    assert watched.hosts <= {"127.0.0.1"}


@pytest.fixture
async def chat(context: BrowserContext, service: Service) -> Chat:
    """The web client of `service`, in an empty session."""
    return await Chat.open(context, service.url)
