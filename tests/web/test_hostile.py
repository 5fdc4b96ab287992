"""A model's text is treated as hostile: it runs nothing and loads nothing by itself."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.script import Script, call, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio

HOSTILE = """
<script>window.harmed = "script"</script>

<img src=x onerror="window.harmed = 'img'"> <svg onload="window.harmed = 'svg'">
<iframe src="javascript:parent.harmed='iframe'"></iframe>

<style>body { display: none }</style><link rel=stylesheet href=https://tracker.example/x.css><base href=https://tracker.example/>

<form action=https://tracker.example><input name=q><button>Send</button></form>

[click](javascript:window.harmed='link') [data](data:text/html,<script>harmed=1</script>) [vb](vbscript:x) [here](/docs)

[spaced](java
script:window.harmed=1) [entity](java&#115;cript:window.harmed=1) <javascript:window.harmed=1>

![a cat](https://tracker.example/cat.png?who=you "title") ![inline](data:image/svg+xml,<svg onload=harmed=1>)

[a page](https://tracker.example/page) <https://tracker.example/auto> [mail](mailto:ola@example.org)

[broken" onmouseover="window.harmed='attribute](https://tracker.example/"onmouseover="window.harmed='href')

```html"onload="window.harmed='language
<script>window.harmed = "code"</script>
```

<div id="app"></div><p id="message" class="composer" style="position:fixed;inset:0">covered</p>

| <b onclick=harmed=1>cell</b> |
| --- |
| <a href="javascript:harmed=1">x</a> |
"""


async def test_hostile_markdown_does_nothing_and_loads_nothing(chat: Chat, script: Script) -> None:
    script.play([say(HOSTILE), stop()])
    await chat.say("hello")
    await chat.answered("covered")
    prose = chat.answers.locator(".prose")
    assert await prose.locator("script, img, svg, iframe, style, link, base, form, input, object, embed").count() == 0
    attributes: list[str] = await prose.evaluate(
        "box => [...box.querySelectorAll('*')].flatMap(each => each.getAttributeNames())"
    )
    assert set(attributes) <= {
        *("href", "title", "dir", "target", "rel", "class", "type", "tabindex", "role", "aria-label"),
        *("data-language", "data-picture", "data-action"),
    }
    await expect(prose.locator("[style], [id]")).to_have_count(0)
    await expect(prose.get_by_text('<script>window.harmed = "script"</script>', exact=True)).to_be_visible()
    await chat.page.wait_for_function("document.fonts.status === 'loaded'")
    assert await chat.page.evaluate("window.harmed") is None


async def test_links_lead_to_web_or_mail_and_send_no_referrer(chat: Chat, script: Script) -> None:
    script.play([say(HOSTILE), stop()])
    await chat.say("hello")
    await chat.answered("covered")
    links: list[dict[str, Any]] = await chat.answers.locator(".prose a").evaluate_all(
        "links => links.map(({ href, target, rel }) => ({ href, target, rel }))"
    )
    assert len(links) == 5
    for link in links:
        assert link["href"].startswith(("https://tracker.example/", "mailto:ola@example.org"))
        assert link["target"] == "_blank"
        assert {"noopener", "noreferrer"} <= set(link["rel"].split())


async def test_a_picture_is_not_loaded_before_a_click(chat: Chat, script: Script) -> None:
    """The fixture makes sure that no other host was asked. The click opens a tab of its own."""
    script.play([say("![a cat](https://tracker.example/cat.png)"), stop()])
    await chat.say("hello")
    picture = chat.answers.get_by_role("link", name="Picture on tracker.example: a cat")
    await expect(picture).to_have_attribute("href", "https://tracker.example/cat.png")


async def test_user_text_titles_and_outputs_are_shown_as_text(chat: Chat, script: Script) -> None:
    evil = '<img src=x onerror="window.harmed=1"> **x**'
    script.play(
        [call("explain_joke", {"setup": evil, "premise": evil, "punchline": evil}), stop("tool_calls")],
        [call(evil, {evil: evil}), stop("tool_calls")],
        [say("Done."), stop()],
    )
    await chat.say(evil)
    await expect(chat.user_messages.locator(".bubble")).to_have_text(evil)
    await expect(chat.answers.locator(".joke p")).to_have_text([evil] * 3)
    await expect(chat.sessions).to_contain_text('<img src=x onerror="window.harmed=1">')
    await chat.say("again")
    await chat.answered("Done.")
    assert await chat.page.locator("img").count() == 0
    assert await chat.page.evaluate("window.harmed") is None


async def test_an_address_without_a_session_is_a_new_chat(chat: Chat) -> None:
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    for address in ("../../docs", "x/../../y", "%2e%2e"):
        await chat.page.goto(f"{chat.page.url.partition('#')[0]}#{address}")
        await chat.page.reload()
        await expect(chat.page.locator(".greeting")).to_be_visible()
    assert not [url for url in asked if "/sessions/" in url or "docs" in url.partition("#")[0]]


async def test_the_content_policy_blocks_injected_markup(browser: Browser, service: Service) -> None:
    """Tried as a script of the page: no text as HTML, no request to another host, no text as a script."""
    page = await browser.new_page()
    await page.goto(service.url)
    outcome: dict[str, bool] = await page.evaluate(
        """async () => {
            const isRefused = async attempt => { try { await attempt(); return false; } catch { return true; } };
            const element = document.createElement("p");
            return {
                html: await isRefused(() => element.innerHTML = "<b>x</b>"),
                fetch: await isRefused(() => fetch("https://tracker.example/")),
                script: await isRefused(() => setTimeout("1")),
            };
        }"""
    )
    await page.close()
    assert outcome == {"html": True, "fetch": True, "script": True}
