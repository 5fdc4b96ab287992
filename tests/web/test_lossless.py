"""No message or answer is lost by a reload, a dead server, a lost network, or many tabs."""

import asyncio
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Route, expect

from chatkeep.errors import ModelRateLimited
from tests.faults.process import READY
from tests.postgres import free_port
from tests.script import Script, say, stop
from tests.service import Service
from tests.web.chat import Chat

pytestmark = pytest.mark.anyio


async def test_a_reload_in_mid_stream_resumes_the_answer(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Before the reload, "), gate, say("after the reload."), stop()])
    await chat.say("hello")
    await expect(chat.answers).to_contain_text("Before the reload,")
    await chat.page.reload()
    await expect(chat.answers.locator(".prose")).to_have_text("Before the reload,")
    gate.set()
    await chat.answered("Before the reload, after the reload.")
    assert len(script.prompts) == 1


@asynccontextmanager
async def serving(port: int, directory: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Start the real command on `port` with the practice model, and wait until it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatkeep", "serve", "--port", str(port)),
        cwd=directory,
        env={"CHATKEEP_DATABASE_URL": f"sqlite:///{directory}/web.db"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert (await process.stdout.readline()).decode().startswith(READY)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_page_survives_a_killed_server(context: BrowserContext, tmp_path: Path) -> None:
    port = free_port()
    async with serving(port, tmp_path) as process:
        chat = await Chat.open(context, f"http://127.0.0.1:{port}")
        await chat.say("count to 2000")
        await expect(chat.answers).to_contain_text("1 2 3 4 5 6 7 8 9 10")
        process.kill()
        await expect(chat.page.get_by_text("Connection lost.")).to_be_visible()
    seen = (await chat.answers.locator(".prose").inner_text()).split()
    async with serving(port, tmp_path):
        await chat.answered("The service stopped in the middle. What it had said is kept.")
        await expect(chat.page.get_by_text("Connection lost.")).to_have_count(0)
        words_before = (await chat.answers.locator(".prose").inner_text()).split()
        assert words_before[: len(seen)] == seen
        await chat.say("hello")
        await chat.answered("practice model")


async def test_the_page_survives_an_orderly_restart(context: BrowserContext, tmp_path: Path) -> None:
    """It ends streams at once and lets the answer come to its end: the page has it when the server is back."""
    port = free_port()
    async with serving(port, tmp_path) as process:
        chat = await Chat.open(context, f"http://127.0.0.1:{port}")
        await chat.say("count to 60")
        await expect(chat.answers).to_contain_text("1 2 3")
        process.terminate()
        await process.wait()
    async with serving(port, tmp_path):
        await chat.answered(" ".join(map(str, range(1, 61))))


async def test_the_page_survives_going_offline_in_mid_stream(chat: Chat, script: Script) -> None:
    gate, late = asyncio.Event(), asyncio.Event()
    script.play([say("Here, "), gate, say("meanwhile, "), late, say("and back."), stop()])
    await chat.say("hello")
    await expect(chat.answers).to_contain_text("Here,")
    await chat.page.context.set_offline(True)
    await expect(chat.page.get_by_text("Connection lost.")).to_be_visible()
    gate.set()
    await chat.page.context.set_offline(False)
    await expect(chat.answers.locator(".prose")).to_have_text("Here, meanwhile,")
    late.set()
    await chat.answered("Here, meanwhile, and back.")


@pytest.mark.parametrize("status", [404, 503])
async def test_an_unreadable_error_body_is_not_a_lost_connection(chat: Chat, script: Script, status: int) -> None:
    script.play([say("A few words"), ModelRateLimited("slow down")], [say("Still here."), stop()])
    await chat.say("hello")
    reason = chat.answers.first.get_by_text("slow down")
    await expect(reason).to_have_count(1)
    await chat.intercept("**/api/runs/*", lambda route: route.fulfill(status=status), times=1)
    async with chat.page.expect_response("**/api/runs/*"):
        await chat.page.reload()
    await chat.say("are you there?")
    await chat.answered("Still here.")
    await expect(chat.page.get_by_text("Connection lost.")).to_have_count(0)
    await expect(reason).to_have_count(1 if status == 503 else 0)


async def test_a_silently_dead_connection_is_replaced(chat: Chat, script: Script) -> None:
    """As after a router lost its state: nothing comes any more, not even a ping or an error."""
    gate = asyncio.Event()
    script.play([say("Before, "), gate, say("after."), stop()])
    await chat.page.clock.install()
    await chat.page.reload()
    await chat.say("hello")
    await expect(chat.answers).to_contain_text("Before,")
    async with chat.page.expect_request(re.compile(r"/events\?after=1\.\d+$")):
        await chat.page.clock.fast_forward(46_000)
        await chat.page.clock.run_for(1_000)
    gate.set()
    await chat.answered("Before, after.")


async def test_a_message_typed_offline_is_kept_and_sent_once(chat: Chat, script: Script, service: Service) -> None:
    script.play([say("Heard you."), stop()])
    await chat.page.context.set_offline(True)
    await chat.say("from the tunnel")
    await expect(chat.user_messages).to_contain_text("Will be sent when the network is back.")
    await chat.page.context.set_offline(False)
    await chat.answered("Heard you.")
    await expect(chat.user_messages).to_have_count(1)
    assert await count_messages(service) == 2
    await chat.page.wait_for_function(EMPTY_OUTBOX)


async def test_two_messages_typed_offline_are_both_answered(chat: Chat, script: Script, service: Service) -> None:
    gate = asyncio.Event()
    script.play([say("The first "), gate, say("answer."), stop()], [say("The second one."), stop()])
    await chat.page.context.set_offline(True)
    await chat.say("one thing")
    await chat.say("and another")
    await chat.page.context.set_offline(False)
    await expect(chat.answers).to_have_text(re.compile("The first"))
    await expect(chat.user_messages.last).to_contain_text("Will be sent after what was said before it.")
    gate.set()
    await chat.answered("The second one.")
    await expect(chat.answers.first).to_contain_text("The first answer.")
    await expect(chat.user_messages).to_have_text([re.compile("one thing"), re.compile("and another")])
    assert await count_messages(service) == 4


async def test_equal_unsent_messages_are_both_shown(chat: Chat, script: Script, service: Service) -> None:
    gate, acknowledged = asyncio.Event(), asyncio.Event()
    script.play([say("Hi."), stop()], [say("The first "), gate, say("answer."), stop()], [say("The second."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")

    async def hold(route: Route) -> None:
        await acknowledged.wait()
        await route.continue_()

    await chat.page.context.set_offline(True)
    await chat.say("yes")
    await chat.say("yes")
    await chat.page.route("**/events?*", hold)  # the feed tells of the first when it has long been acknowledged
    async with chat.page.expect_response(lambda answer: answer.request.method == "POST" and answer.status == 202):
        await chat.page.context.set_offline(False)
    acknowledged.set()
    await expect(chat.answers.last).to_contain_text("The first")
    await expect(chat.user_messages).to_have_count(3)
    await expect(chat.user_messages.last).to_contain_text("Will be sent after")
    gate.set()
    await chat.answered("The second.")
    await expect(chat.user_messages).to_have_count(3)
    assert await count_messages(service) == 6


async def test_a_chat_that_fails_delays_no_other_chat(chat: Chat, script: Script, service: Service) -> None:
    script.play(*[[say(f"Answer {number}."), stop()] for number in range(2)])
    await chat.say("hello")
    await chat.answered("Answer 0.")
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    await chat.intercept(f"**/api/sessions/{session['id']}/messages", lambda route: route.fulfill(status=500))
    async with chat.page.expect_response(lambda answer: answer.status == 500):
        await chat.say("to a wall")
    await chat.button("New chat").click()
    await chat.say("to you")
    await chat.answered("Answer 1.")


async def test_unsent_messages_of_an_earlier_version_go_out_in_order(
    chat: Chat, script: Script, service: Service
) -> None:
    """It stored all outbox items as one list, under another name."""
    script.play(*[[say(f"Answer {number}."), stop()] for number in range(3)])
    await chat.say("hello")
    await chat.answered("Answer 0.")
    await chat.page.context.set_offline(True)
    for text in ("first", "second"):
        await chat.say(text)
    await expect(chat.user_messages).to_have_count(3)
    await chat.page.evaluate("""() => {
        const names = Object.keys(localStorage).filter(name => name.startsWith("chatkeep.outbox."));
        const items = names.map(name => JSON.parse(localStorage[name])).sort((one, other) => one.said - other.said);
        names.forEach(name => localStorage.removeItem(name));
        localStorage["chatkeep.outbox"] = JSON.stringify(items.map(({ said, ...item }) => item));
    }""")
    await chat.page.context.set_offline(False)
    await chat.page.reload()
    await expect(chat.user_messages).to_have_text([re.compile(text) for text in ("hello", "first", "second")])
    await expect(chat.answers.last).to_contain_text("Answer 2.")
    assert await count_messages(service) == 6
    await chat.page.wait_for_function(EMPTY_OUTBOX)


async def test_a_session_sent_by_another_tab_opens_where_written(
    chat: Chat, context: BrowserContext, script: Script, service: Service
) -> None:
    script.play([say("Delivered."), stop()])
    other = await Chat.open(context, service.url)
    await chat.intercept("**/api/sessions", lambda route: route.abort())  # this tab alone cannot
    await chat.say("hello")
    await expect(chat.user_messages).to_contain_text("The service cannot be reached.")
    await other.page.evaluate("dispatchEvent(new Event('online'))")
    await chat.answered("Delivered.")
    assert await count_messages(service) == 2


async def test_sending_keeps_the_draft_of_another_new_chat(
    chat: Chat, context: BrowserContext, script: Script, service: Service
) -> None:
    script.play([say("Hi."), stop()])
    other = await Chat.open(context, service.url)
    await chat.box.fill("hello")
    await other.box.fill("a long letter, not finished")
    await chat.box.press("Enter")
    await chat.answered("Hi.")
    await other.page.reload()
    await expect(other.box).to_have_value("a long letter, not finished")
    await chat.page.reload()
    await expect(chat.box).to_have_value("")


async def test_a_lost_acknowledgement_makes_no_second_message(chat: Chat, script: Script, service: Service) -> None:
    """The service has it, the page does not know; a reload later, it asks again with the same key."""
    script.play([say("Once."), stop()])
    lost = await chat.intercept("**/messages", route_lost)
    async with chat.page.expect_event("requestfailed", lambda request: request.url.endswith("/messages")):
        await chat.say("hello")
    lost.end()
    await chat.page.reload()
    await chat.answered("Once.")
    await expect(chat.user_messages).to_have_count(1)
    await expect(chat.user_messages.locator(".bubble")).to_have_text("hello")
    assert await count_messages(service) == 2
    assert len(script.prompts) == 1


async def route_lost(route: Route) -> None:
    """Pass the request on, and abort the connection before its answer."""
    await route.fetch()
    await route.abort("connectionreset")


async def test_a_refused_message_says_why_and_can_be_tried_again(chat: Chat, script: Script) -> None:
    script.play([say("Now."), stop()])
    problem = '{"type":"about:blank","title":"x","status":422,"code":"invalid_request","detail":"not today"}'
    refusal = await chat.intercept(
        "**/messages", lambda route: route.fulfill(status=422, content_type="application/problem+json", body=problem)
    )
    await chat.say("hello")
    await expect(chat.page.get_by_role("alert")).to_contain_text("Not sent: not today")
    refusal.end()
    await chat.button("Try again").click()
    await chat.answered("Now.")
    await expect(chat.page.get_by_role("alert")).to_have_count(0)


async def test_a_refused_first_message_hides_no_later_one(chat: Chat, script: Script) -> None:
    script.play([say("Shorter is better."), stop()])
    problem = '{"type":"about:blank","title":"x","status":422,"code":"invalid_request","detail":"not today"}'
    refusal = await chat.intercept(
        "**/messages", lambda route: route.fulfill(status=422, content_type="application/problem+json", body=problem)
    )
    await chat.say("not today")
    await expect(chat.page.get_by_role("alert")).to_contain_text("Not sent:")
    refusal.end()
    await chat.say("hello")
    await chat.answered("Shorter is better.")
    await chat.page.reload()
    await chat.answered("Shorter is better.")
    await expect(chat.page.get_by_role("alert")).to_contain_text("Not sent:")
    await expect(chat.user_messages.first.locator(".bubble")).to_have_text("hello")


EMPTY_OUTBOX = "!Object.keys(localStorage).some(key => key.includes('outbox'))"
"""True when this browser keeps no message: the service has acknowledged all of them."""


async def count_messages(service: Service) -> int:
    sessions = (await service.client.get("/api/sessions")).json()["data"]
    return sum([session["message_count"] for session in sessions])


async def test_two_tabs_and_a_phone_show_the_same_stream(chat: Chat, context: BrowserContext, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Hi."), stop()], [say("All of you "), gate, say("see this."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    tabs = [chat, *[await Chat.open(context, chat.page.url) for _ in range(2)]]
    await tabs[2].say("who sees this?")
    for tab in tabs:
        await expect(tab.answers.last.locator(".prose")).to_have_text("All of you")
        await expect(tab.user_messages.last).to_contain_text("who sees this?")
    gate.set()
    for tab in tabs:
        await tab.answered("All of you see this.")
        await expect(tab.user_messages).to_have_count(2)


async def test_a_session_deleted_in_another_tab_disappears(chat: Chat, script: Script, service: Service) -> None:
    script.play([say("Hi."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    await service.client.delete(f"/api/sessions/{session['id']}")
    await expect(chat.page.get_by_text("This chat is no longer there.")).to_be_visible()
    await expect(chat.sessions).to_have_count(0)


async def test_what_happens_elsewhere_shows_in_the_list(chat: Chat, service: Service) -> None:
    await expect(chat.sessions).to_have_count(0)
    session = (await service.client.post("/api/sessions", json={"title": "From elsewhere"})).json()
    await expect(chat.sessions).to_contain_text("From elsewhere")
    await service.client.patch(f"/api/sessions/{session['id']}", json={"title": "With a new name"})
    await expect(chat.sessions).to_contain_text("With a new name")
    await service.client.delete(f"/api/sessions/{session['id']}")
    await expect(chat.sessions).to_have_count(0)


async def test_an_unsent_message_outlives_its_deleted_chat(chat: Chat, script: Script, service: Service) -> None:
    script.play([say("Hi."), stop()])
    await chat.say("hello")
    await chat.answered("Hi.")
    await expect(chat.sessions).to_contain_text("hello")  # its title is set: no request for one is open
    await chat.page.context.set_offline(True)
    await chat.say("from the tunnel")
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    await service.client.delete(f"/api/sessions/{session['id']}")
    await chat.page.context.set_offline(False)
    await expect(chat.page.get_by_text("This chat is no longer there.")).to_be_visible()
    await expect(chat.sessions).to_have_count(0)
    await expect(chat.user_messages).to_contain_text("from the tunnel")
    await expect(chat.user_messages).to_contain_text("Not sent")
    await chat.button("Discard").click()
    await expect(chat.user_messages).to_have_count(0)


async def test_two_clicks_on_answer_again_make_one_answer(chat: Chat, script: Script, service: Service) -> None:
    script.play(*[[say(f"Answer {number}."), stop()] for number in range(3)])
    await chat.say("hello")
    await chat.answered("Answer 0.")
    clicked = asyncio.Event()

    async def hold(route: Route) -> None:
        await clicked.wait()
        await route.continue_()

    await chat.page.route("**/runs", hold)
    await chat.done(chat.answers).dblclick()
    clicked.set()
    await chat.answered("Answer 1.")
    await expect(chat.page.get_by_text("Asking again…")).to_have_count(0)
    assert await count_messages(service) == 3


async def test_the_seventh_tab_works_too(context: BrowserContext, service: Service, script: Script) -> None:
    """A browser opens six connections to a host: seven windows in sight, each with a session of its own."""
    script.play(*[[say(f"Answer {number}."), stop()] for number in range(14)])
    tabs = [await Chat.open(context, service.url) for _ in range(7)]
    for tab in tabs:
        await tab.say("hello")
        await tab.answered("Answer")
    for tab in reversed(tabs):
        await tab.say("and again?")
    for tab in tabs:
        await expect(tab.answers).to_have_count(2)
        await tab.answered("Answer")


async def test_a_hidden_tab_holds_no_connection(chat: Chat, script: Script, service: Service) -> None:
    gate = asyncio.Event()
    script.play([say("Seen, "), gate, say("unseen, caught up."), stop()])
    await chat.say("hello")
    await expect(chat.answers).to_contain_text("Seen,")
    async with chat.page.expect_event("requestfailed", lambda request: "/events" in request.url):
        await hide(chat, hidden=True)
    gate.set()
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    async with asyncio.timeout(15):
        while (await service.client.get(f"/api/sessions/{session['id']}")).json()["status"] != "idle":
            await asyncio.sleep(0.02)
    await expect(chat.answers.locator(".prose")).to_have_text("Seen,")
    async with chat.page.expect_request(re.compile(r"/events\?after=1\.\d+$")):
        await hide(chat, hidden=False)
    await chat.answered("Seen, unseen, caught up.")


async def test_a_hidden_tab_tells_that_its_answer_is_made(chat: Chat, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Soon, "), gate, say("now."), stop()])
    await chat.say("hello")
    await expect(chat.answers).to_contain_text("Soon,")
    await expect(chat.page).to_have_title("… hello · chatkeep")
    await hide(chat, hidden=True)
    gate.set()
    await expect(chat.page).to_have_title("● hello · chatkeep", timeout=30_000)
    await hide(chat, hidden=False)
    await chat.answered("Soon, now.")
    await expect(chat.page).to_have_title("hello · chatkeep")


async def hide(chat: Chat, *, hidden: bool) -> None:
    """Hide the tab, as a browser does when another tab is brought to the front."""
    await chat.page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


async def test_a_message_too_long_to_be_sent_stays_in_the_field(chat: Chat, service: Service) -> None:
    await chat.box.fill("x" * 270_000)
    await chat.box.press("Enter")
    await expect(chat.page.get_by_text("This message has 270 kB; the service takes 262 kB at once.")).to_be_visible()
    await expect(chat.user_messages).to_have_count(0)
    assert len(await chat.box.input_value()) == 270_000
    assert await count_messages(service) == 0


async def test_a_refused_message_can_be_taken_back_and_changed(chat: Chat, script: Script) -> None:
    problem = '{"type":"about:blank","title":"x","status":413,"code":"body_too_large","detail":"too large"}'
    refusal = await chat.intercept(
        "**/messages", lambda route: route.fulfill(status=413, content_type="application/problem+json", body=problem)
    )
    await chat.say("hello")
    await expect(chat.page.get_by_role("alert")).to_contain_text("Not sent: too large")
    refusal.end()
    await chat.page.get_by_role("alert").get_by_role("button", name="Edit").click()
    await expect(chat.box).to_have_value("hello")
    await expect(chat.user_messages).to_have_count(0)
    script.play([say("Now."), stop()])
    await chat.say("hi")
    await chat.answered("Now.")


async def test_a_message_says_that_the_service_is_away(chat: Chat, script: Script) -> None:
    script.play([say("Back."), stop()])
    outage = await chat.intercept("**/api/sessions", lambda route: route.fulfill(status=502))
    await chat.say("hello")
    await expect(chat.user_messages).to_contain_text("The service cannot be reached. Will be sent when it is back.")
    outage.end()
    await chat.answered("Back.")
    await expect(chat.user_messages.locator(".bubble")).to_have_text("hello")
