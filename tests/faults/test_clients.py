"""Clients that disconnect or send incomplete requests: runs go on, nothing is left over, no other client notices."""

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.api.streams import PATIENCE, text_of, until
from tests.faults.provider_checks import BACKGROUND_TOPICS, wait_until_idle
from tests.faults.raw import Raw, answered, dialling, events_in, request
from tests.script import Line, Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

SAID = "To get 🐔 to the other side"
FORMS = {"stream": {}, "json": {"accept": "application/json"}, "async": {"prefer": "respond-async"}}


def scene(*more: Line) -> list[Line]:
    """Return an answer that waits for `more` after its first words."""
    return [say("To get 🐔"), *more, say(" to the other side"), stop()]


async def vanish(service: Service, data: bytes, count: int) -> None:
    """Send a request, read `count` bytes of its answer, and reset the connection."""
    async with dialling(service) as raw:
        await raw.send(data)
        await raw.read_bytes(count)


async def ended(service: Service, session_id: str) -> list[str]:
    """Return the statuses and texts of the session's answers, once none is being made."""
    async with asyncio.timeout(PATIENCE):
        while True:
            messages = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()["data"]
            if not any(each["status"] == "in_progress" for each in messages):
                return [f"{each['status']}: {text_of(each)}" for each in messages if each["role"] == "assistant"]
            await asyncio.sleep(0.005)


async def size_of(service: Service, data: bytes, mark: bytes) -> int:
    """Return the number of an answer's bytes up to `mark`."""
    async with dialling(service) as raw:
        await raw.send(data)
        return len(await raw.read_until(mark))


async def test_a_client_may_vanish_at_any_byte_of_an_open_answer(service: Service, script: Script) -> None:
    gate = asyncio.Event()

    def asks(session_id: str) -> bytes:
        return request("POST", f"/api/sessions/{session_id}/messages", {"content": "why?"})

    script.play(*[scene(gate) for _ in range(1000)])
    size = await size_of(service, asks(await service.session()), '🐔"}\n\n'.encode())
    counts = range(1, size, 5)
    sessions = [await service.session() for _ in counts]
    await asyncio.gather(*[vanish(service, asks(each), count) for each, count in zip(sessions, counts, strict=True)])
    assert len(service.runtime.tasks) == len(sessions) + 1  # no disconnect has ended a run
    await until(lambda: set(service.runtime.notifier.topics) <= BACKGROUND_TOPICS)
    gate.set()
    for session_id in sessions:
        assert await ended(service, session_id) == [f"completed: {SAID}"]
    await wait_until_idle(service)
    assert script.closed == len(script.prompts) == len(sessions) + 1


@pytest.mark.parametrize("form", FORMS)
async def test_a_client_may_vanish_at_any_byte_of_a_complete_answer(
    service: Service, script: Script, form: str
) -> None:
    def asks(session_id: str) -> bytes:
        return request("POST", f"/api/sessions/{session_id}/messages", {"content": "why?"}, **FORMS[form])

    script.play(*[scene() for _ in range(1000)])
    size = await size_of(service, asks(await service.session()), b"\r\n0\r\n\r\n" if form == "stream" else b'"}}')
    for count in range(1, size, 29):
        session_id = await service.session()
        await vanish(service, asks(session_id), count)
        assert await ended(service, session_id) == [f"completed: {SAID}"]
    await wait_until_idle(service)


async def test_an_unread_request_is_executed_whole_or_not_at_all(service: Service, script: Script) -> None:
    script.play(*[scene() for _ in range(100)])
    for form in FORMS.values():
        for _ in range(20):
            session_id = await service.session()
            await vanish(
                service, request("POST", f"/api/sessions/{session_id}/messages", {"content": "why?"}, **form), 0
            )
            assert await ended(service, session_id) in ([], [f"completed: {SAID}"])
    await wait_until_idle(service)


@pytest.mark.parametrize("leave", [Raw.reset, Raw.close], ids=["reset", "closed"])
async def test_an_incomplete_request_does_nothing(
    service: Service, script: Script, leave: Callable[[Raw], None]
) -> None:
    session_id = await service.session()
    data = request("POST", f"/api/sessions/{session_id}/messages", {"content": "why?"})
    for count in range(len(data)):
        raw = await Raw.dial(service)
        await raw.send(data[:count])
        leave(raw)
    assert (await service.client.get(f"/api/sessions/{session_id}/messages")).json()["data"] == []
    script.play(scene())
    assert text_of((await service.send(session_id, "why?"))["message"]) == SAID
    assert len(script.prompts) == 1
    await wait_until_idle(service)


async def test_incomplete_requests_delay_no_other_client(service: Service, script: Script) -> None:
    session_id = await service.session()
    path = f"/api/sessions/{session_id}/messages"
    data = request("POST", path, {"content": "why?"})
    chunked = request("POST", path, transfer_encoding="chunked", content_type="application/json")
    halves = [data[:40], data[:-1], data[:-10], chunked, chunked + b"5\r\n{", chunked + b'a\r\n{"content"\r\n']
    waiting = [await Raw.dial(service) for _ in range(10 * len(halves))]
    for number, raw in enumerate(waiting):
        await raw.send(halves[number % len(halves)])
    script.play(scene(), scene())
    other = await service.session()
    assert text_of((await service.send(other, "why?"))["message"]) == SAID
    assert (await service.client.get(path)).json()["data"] == []
    last = await Raw.dial(service)
    await last.send(data[:-10])
    await service.client.get("/healthz")
    await last.send(data[-10:])  # it was only slow
    status, body = await last.read_answer()
    assert (status, events_in(body)[-1]["type"]) == (200, "run.finished")
    assert await ended(service, session_id) == [f"completed: {SAID}"]
    for raw in [*waiting, last]:
        raw.reset()
    await wait_until_idle(service)


async def test_pipelined_requests_are_answered_in_order(service: Service, script: Script) -> None:
    first, second = await service.session(), await service.session()
    gate = asyncio.Event()
    script.play(scene(gate), scene())
    async with dialling(service) as raw:
        await raw.send(
            request("POST", f"/api/sessions/{first}/messages", {"content": "why?"})
            + request("POST", f"/api/sessions/{second}/messages", {"content": "why?"}, accept="application/json")
            + request("GET", f"/api/sessions/{first}")
        )
        await raw.read_until("🐔".encode())
        gate.set()
        status, body = await raw.read_answer()
        events = events_in(body)
        assert (status, events[-1]["type"], text_of(events[-1]["message"])) == (200, "run.finished", SAID)
        assert events[-1]["message"]["session_id"] == first
        status, body = await raw.read_answer()
        answer = json.loads(body)
        assert (status, answer["run"]["session_id"], text_of(answer["message"])) == (200, second, SAID)
        status, body = await raw.read_answer()
        assert (status, json.loads(body)["id"], json.loads(body)["message_count"]) == (200, first, 2)
    await wait_until_idle(service)


async def test_a_body_may_come_in_chunks_of_any_size(service: Service, script: Script) -> None:
    content = 'why did "the" 🐔 cross?\n' * 3
    body = json.dumps({"content": content}, ensure_ascii=False).encode()
    for size, extension, trailer in [
        (1, b"", b""),
        (3, b";a=b", b"x-more: 1\r\n"),
        (7, b"", b""),
        (len(body), b"", b""),
    ]:
        script.play(scene())
        session_id = await service.session()
        head = request(
            "POST", f"/api/sessions/{session_id}/messages",
            transfer_encoding="chunked", content_type="application/json", accept="application/json",
        )  # fmt: skip
        pieces = [body[begin : begin + size] for begin in range(0, len(body), size)]
        chunks = [b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces]
        answer = await answered(service, head + b"".join(chunks) + b"0\r\n" + trailer + b"\r\n")
        assert text_of(answer["user_message"]) == content
        assert text_of(answer["message"]) == SAID


async def test_the_service_waits_for_slow_chunks(service: Service, script: Script) -> None:
    script.play(scene())
    path = f"/api/sessions/{await service.session()}/messages"
    body = json.dumps({"content": "why 🐔?"}, ensure_ascii=False).encode()
    async with dialling(service) as raw:
        await raw.send(request("POST", path, transfer_encoding="chunked", content_type="application/json"))
        for byte in body:
            await raw.send(b"1\r\n")
            assert (await service.client.get(path)).json()["data"] == []
            await raw.send(bytes([byte]) + b"\r\n")
        await raw.send(b"0\r\n\r\n")
        status, stream = await raw.read_answer()
    events = events_in(stream)
    assert (status, text_of(events[0]["user_message"]), events[-1]["type"]) == (200, "why 🐔?", "run.finished")
