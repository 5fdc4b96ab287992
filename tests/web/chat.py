"""The web client as a user sees it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from playwright.async_api import BrowserContext, Locator, Page, Route, expect

expect.set_options(timeout=30_000)


REST = """box => new Promise(done => {
    let last = -1, frames = 0;
    const look = () => {
        frames = box.scrollTop === last ? frames + 1 : 0;
        last = box.scrollTop;
        if (frames < 6) requestAnimationFrame(look); else done(last);
    };
    look();
})"""
"""The place of a scroller that has not moved for some frames: browsers scroll smoothly by a wheel."""


class Interception:
    """Gives the requests for `url` to `answer`, until `end` or for a number of times; later ones reach the service.

    The route stays until the page is closed: a request that Chromium sends while its interception is switched off may
    hang, so a test must not call `unroute` or let Playwright end a route with `times`.
    """

    def __init__(self, answer: Callable[[Route], Awaitable[None]], times: int) -> None:
        self._answer = answer
        self._left = times

    async def __call__(self, route: Route) -> None:
        if self._left == 0:
            return await route.continue_()
        self._left -= 1
        return await self._answer(route)

    def end(self) -> None:
        """Let all further requests pass."""
        self._left = 0


class Chat:
    """A tab with the client."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.get_by_role("textbox", name="Message", exact=True)
        self.user_messages = page.locator("article.user-message")
        self.answers = page.locator("article.answer")
        self.thread = page.locator(".thread")
        self.editor = page.get_by_role("textbox", name="Edit your message")
        self.sessions = page.get_by_role("navigation", name="Chats").get_by_role("link")

    @classmethod
    async def open(cls, context: BrowserContext, url: str) -> Self:
        """Open a tab, and wait until it accepts input."""
        page = await context.new_page()
        await page.goto(url)
        chat = cls(page)
        await expect(chat.box).to_be_visible()
        return chat

    async def intercept(
        self, url: str, answer: Callable[[Route], Awaitable[None]], times: int = 1_000_000
    ) -> Interception:
        """Give the page's requests for `url`, a glob, to `answer`."""
        interception = Interception(answer, times)
        await self.page.route(url, interception)
        return interception

    async def say(self, text: str) -> None:
        """Send a message with Ctrl+Enter: on a phone, Enter is a new line."""
        await self.box.fill(text)
        await self.box.press("Control+Enter")

    def button(self, name: str) -> Locator:
        """Return a button by its full name."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def choose(self, menu: str, item: str) -> None:
        """Open the menu of a button, and press one of its items; with the keyboard, so that both can have the focus."""
        await self.press(self.button(menu))
        opened = self.page.locator(".menu:popover-open")
        await expect(opened.get_by_role("button").first).to_be_focused()  # the menu moves the focus there, once
        await self.press(opened.get_by_role("button", name=item, exact=True))

    async def press(self, button: Locator) -> None:
        """Press Enter on a button, once it can have the focus: a key meant for a disabled one goes elsewhere."""
        await expect(button).to_be_enabled()
        for patience_ms in (1_000, 3_000, 10_000):  # the page may move the focus itself, when it has drawn something
            await button.focus()
            with suppress(AssertionError):
                await expect(button).to_be_focused(timeout=patience_ms)
                break
        await expect(button).to_be_focused()
        await self.page.keyboard.press("Enter")

    async def edit(self, message: Locator) -> None:
        """Open the editor of a message with the keyboard, and wait until keys go there."""
        await self.press(message.get_by_role("button", name="Edit"))
        await expect(self.editor).to_be_focused()

    async def type_title(self, text: str) -> None:
        """Type the title of a chat that is being renamed, once its field has the focus."""
        await expect(self.page.get_by_role("textbox", name="Title")).to_be_focused()
        await self.page.keyboard.type(text)
        await self.page.keyboard.press("Enter")

    async def select(self, field: Locator, option: str) -> None:
        """Choose in the bar for a chat that exists, and wait until the service knows it."""
        async with self.page.expect_response(lambda answer: answer.request.method == "PATCH"):
            await field.select_option(option)

    async def hold_notices(self) -> None:
        """Point at the last notice: they all stay for as long as the mouse is there, however slow the machine is."""
        await self.page.locator(".notice").last.hover()

    async def drawn(self) -> None:
        """Wait until the page has drawn all that it knows, and is where it scrolls to.

        Its values tell of a change in the next frame (`web/src/cell.ts`), and the layout follows in that frame.
        """
        await self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    async def place(self) -> float:
        """Return how far the thread is scrolled down, once it has come to rest."""
        return await self.thread.evaluate(REST)

    def done(self, answer: Locator) -> Locator:
        """Return the button that an answer has once it has ended."""
        return answer.get_by_role("button", name="Answer again")

    async def answered(self, text: str) -> None:
        """Wait until the last answer has ended and contains `text`."""
        last = self.answers.last
        await expect(last).to_contain_text(text)
        await expect(self.done(last)).to_be_attached()
