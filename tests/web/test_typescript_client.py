"""The packed TypeScript client in a browser, without a bundler."""

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Route

from tests.clients.typescript import install, pack
from tests.script import Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

TALK = """async () => {
    const { Chatkeep } = await import("/client/index.js");
    const client = new Chatkeep();
    const session = await client.createSession();
    const { run } = await client.send(session.id, "hello");
    let answer;
    for await (const message of client.read(run.id)) answer = message;
    return answer.parts.map((part) => part.text).join("");
}"""


async def test_it_runs_in_a_browser(context: BrowserContext, service: Service, script: Script, tmp_path: Path) -> None:
    folder = install(pack(tmp_path), tmp_path) / "dist"

    async def serve(route: Route) -> None:
        await route.fulfill(path=folder / Path(route.request.url).name, content_type="text/javascript")

    script.play([say("Hello, "), say("browser."), stop()])
    page = await context.new_page()
    await page.route("**/client/*.js", serve)
    await page.goto(service.url)
    assert await page.evaluate(TALK) == "Hello, browser."
