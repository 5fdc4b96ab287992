"""Providers that send too much at once, too little at a time, or do not stop (see `test_providers`)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from chatkeep.llm.sse_parser import MAX_FRAME_BYTES
from tests.api.streams import spelled, streaming, text_of, until
from tests.faults.asking import asking, ends, goes_on, is_told
from tests.provider import Answer, Asked, Provider, streams, text_chunks

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
HALF = text_chunks("half", reason=None, usage=None)[0]
END = b"".join(text_chunks())


def pours(piece: bytes, first: bytes = b"") -> Answer:
    """`first`, then `piece` again and again, as fast as it is taken, until nobody takes it."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + first)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)  # a write that need not wait lets nobody else in

    return answer


def arguing(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    """A fragment of a call."""
    return {"index": index, "function": {"arguments": arguments}, **more}


def calling(*pieces: dict[str, Any]) -> bytes:
    """An event with these pieces of calls."""
    return b"data: " + json.dumps({"choices": [{"delta": {"tool_calls": pieces}}]}).encode() + b"\n\n"


async def test_one_delta_of_a_million_characters(tmp_path: Path, provider: Provider) -> None:
    said = '🐔é\n"x' * 200_000
    provider.answers = [streams(*text_chunks(said))]
    async with asking(tmp_path, provider) as service:
        await ends(service, provider, "completed", text=said)


async def test_two_hundred_thousand_deltas_of_a_letter(tmp_path: Path, provider: Provider) -> None:
    letters = "".join(chr(ord("a") + number % 26) for number in range(200_000))
    deltas = text_chunks(*letters)
    writes = [b"".join(deltas[begin : begin + 1000]) for begin in range(0, len(deltas), 1000)]
    provider.answers = [streams(*writes)]
    async with asking(tmp_path, provider) as service:
        answer = await ends(service, provider, "completed", text=letters)
        events = await service.events(answer["run"]["id"])
    assert len(events) < 2_000  # read, written and told together, not letter by letter


async def test_ten_thousand_fragments_of_two_calls_that_take_turns(tmp_path: Path, provider: Provider) -> None:
    jokes = ["ha 😀" * 5000, 'h"o\\' * 5000]
    texts = [json.dumps({"text": joke}, ensure_ascii=False) for joke in jokes]
    size = [len(text) // 5000 + 1 for text in texts]
    begin = [arguing(n, "", id=f"call_{n}") for n in (0, 1)]
    for piece in begin:
        piece["function"]["name"] = "tell_joke"
    fragments = [calling(arguing(n, texts[n][at * size[n] : (at + 1) * size[n]])) for at in range(5000) for n in (0, 1)]
    provider.answers = [streams(calling(*begin), b"".join(fragments), b"".join(text_chunks(reason="tool_calls")))]
    async with asking(tmp_path, provider) as service:
        session_id = await service.session()
        answer = await service.send(session_id, "two jokes")
        assert answer["run"]["status"] == "completed"
        calls = answer["message"]["parts"]
        assert [(call["call_id"], call["state"]) for call in calls] == [
            ("call_0", "succeeded"),
            ("call_1", "succeeded"),
        ]
        assert [call["arguments_text"] for call in calls] == texts
        assert [call["output"] for call in calls] == [{"text": joke} for joke in jokes]
        await is_told(service, answer)
        await goes_on(service, provider, session_id)


async def test_an_event_without_an_end_is_not_read_for_ever(tmp_path: Path, provider: Provider) -> None:
    sent = 0

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD + HALF + b'data: {"choices":[{"delta":{"content":"')
        while True:
            writer.write(b"x" * 262_144)
            await writer.drain()
            sent += 262_144

    provider.answers = [answer]
    async with asking(tmp_path, provider) as service:
        await ends(service, provider, "failed", "model_protocol", "half")
        await until(lambda: provider.gone == 1)
    assert MAX_FRAME_BYTES / 2 < sent < 3 * MAX_FRAME_BYTES


@pytest.mark.parametrize("piece", [HALF, b": still here\n\n", b"\n"], ids=["text", "comments", "newlines"])
async def test_a_provider_that_does_not_stop_is_left_at_a_cancel(
    tmp_path: Path, provider: Provider, piece: bytes
) -> None:
    provider.answers = [pours(piece, first=HALF)]
    async with asking(tmp_path, provider) as service:
        session_id = await service.session()
        run_id = (await service.start(session_id, "why?"))["run"]["id"]
        async with streaming(service, f"/api/runs/{run_id}/events") as stream:
            events = await stream.said(5)
            answer = await service.client.post(f"/api/runs/{run_id}/cancel")
            assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
            events += await stream.rest()
        await until(lambda: provider.gone == 1)
        assert spelled(events) == spelled(await service.events(run_id))
        assert text_of(events[-1]["message"]).startswith("half")
        await goes_on(service, provider, session_id)


async def test_a_provider_that_has_not_answered_yet_is_left_at_a_cancel(tmp_path: Path, provider: Provider) -> None:
    async def silence(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    provider.answers = [silence]
    async with asking(tmp_path, provider) as service:
        session_id = await service.session()
        run_id = (await service.start(session_id, "why?"))["run"]["id"]
        await until(lambda: provider.asked)
        assert (await service.client.post(f"/api/runs/{run_id}/cancel")).status_code == 202
        await until(lambda: provider.gone == 1)
        assert (await service.run(run_id))["status"] == "cancelled"
        await goes_on(service, provider, session_id)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(streams(HALF, asyncio.Event()), id="silent"),
        pytest.param(pours(HALF), id="pouring text"),
        pytest.param(pours(b": still here\n\n"), id="pouring comments"),
        pytest.param(streams(*[bytes([byte]) for byte in HALF * 4], asyncio.Event()), id="a byte at a time"),
    ],
)
async def test_one_answer_holds_up_no_other(tmp_path: Path, provider: Provider, other: Answer) -> None:
    well = streams(*text_chunks(*["word "] * 100))

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (other if asked.body["messages"][-1]["content"] == "badly" else well)(asked, writer)

    provider.answers = [answer]
    async with asking(tmp_path, provider) as service:
        bad = [await service.start(await service.session(), "badly") for _ in range(3)]
        good = [await service.send(await service.session(), "well") for _ in range(10)]
        assert {answer["run"]["status"] for answer in good} == {"completed"}
        assert {text_of(answer["message"]) for answer in good} == {"word " * 100}
        for run_id in (each["run"]["id"] for each in bad):
            assert (await service.run(run_id))["status"] == "in_progress"
            assert (await service.client.post(f"/api/runs/{run_id}/cancel")).status_code == 202
        await until(lambda: provider.gone == 3)
