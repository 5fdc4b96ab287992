"""Providers that send too much at once, too little at a time, or do not stop (see `test_providers`)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from chatkeep.llm.sse_parser import MAX_FRAME_BYTES
from tests.api.streams import split_units, streaming, text_of, until
from tests.faults.provider_checks import check_answer, check_log, check_next_message, serving_with
from tests.provider import Answer, Provider, ProviderRequest, streams, text_chunks

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
HALF = text_chunks("half", reason=None, usage=None)[0]
END = b"".join(text_chunks())


def pours(piece: bytes, first: bytes = b"") -> Answer:
    """Return an answer of `first` and then `piece` repeated, as fast as it is read, until the client disconnects."""

    async def answer(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + first)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)  # a write that need not wait would let no other task run

    return answer


def arguing(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    """Return a fragment of a call."""
    return {"index": index, "function": {"arguments": arguments}, **more}


def calling(*pieces: dict[str, Any]) -> bytes:
    """Return an event with these pieces of calls."""
    return b"data: " + json.dumps({"choices": [{"delta": {"tool_calls": pieces}}]}).encode() + b"\n\n"


async def test_one_delta_may_have_a_million_characters(tmp_path: Path, provider: Provider) -> None:
    long_text = '🐔é\n"x' * 200_000
    provider.answers = [streams(*text_chunks(long_text))]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, "completed", text=long_text)


async def test_an_answer_may_have_200000_one_letter_deltas(tmp_path: Path, provider: Provider) -> None:
    letters = "".join(chr(ord("a") + number % 26) for number in range(200_000))
    deltas = text_chunks(*letters)
    writes = [b"".join(deltas[begin : begin + 1000]) for begin in range(0, len(deltas), 1000)]
    provider.answers = [streams(*writes)]
    async with serving_with(tmp_path, provider) as service:
        answer = await check_answer(service, provider, "completed", text=letters)
        events = await service.events(answer["run"]["id"])
    assert len(events) < 2_000  # read, written and streamed together, not letter by letter


async def test_two_calls_may_interleave_in_10000_fragments(tmp_path: Path, provider: Provider) -> None:
    jokes = ["ha 😀" * 5000, 'h"o\\' * 5000]
    texts = [json.dumps({"text": joke}, ensure_ascii=False) for joke in jokes]
    size = [len(text) // 5000 + 1 for text in texts]
    begin = [arguing(n, "", id=f"call_{n}") for n in (0, 1)]
    for piece in begin:
        piece["function"]["name"] = "tell_joke"
    fragments = [calling(arguing(n, texts[n][at * size[n] : (at + 1) * size[n]])) for at in range(5000) for n in (0, 1)]
    provider.answers = [streams(calling(*begin), b"".join(fragments), b"".join(text_chunks(reason="tool_calls")))]
    async with serving_with(tmp_path, provider) as service:
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
        await check_log(service, answer)
        await check_next_message(service, provider, session_id)


async def test_an_endless_sse_event_is_given_up(tmp_path: Path, provider: Provider) -> None:
    sent = 0

    async def answer(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD + HALF + b'data: {"choices":[{"delta":{"content":"')
        while True:
            writer.write(b"x" * 262_144)
            await writer.drain()
            sent += 262_144

    provider.answers = [answer]
    async with serving_with(tmp_path, provider) as service:
        await check_answer(service, provider, "failed", "model_protocol", "half")
        await until(lambda: provider.disconnects == 1)
    assert MAX_FRAME_BYTES / 2 < sent < 3 * MAX_FRAME_BYTES


@pytest.mark.parametrize("piece", [HALF, b": still here\n\n", b"\n"], ids=["text", "comments", "newlines"])
async def test_a_cancel_disconnects_an_endless_provider(tmp_path: Path, provider: Provider, piece: bytes) -> None:
    provider.answers = [pours(piece, first=HALF)]
    async with serving_with(tmp_path, provider) as service:
        session_id = await service.session()
        run_id = (await service.start(session_id, "why?"))["run"]["id"]
        async with streaming(service, f"/api/runs/{run_id}/events") as stream:
            events = await stream.read_units(5)
            answer = await service.client.post(f"/api/runs/{run_id}/cancel")
            assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
            events += await stream.rest()
        await until(lambda: provider.disconnects == 1)
        assert split_units(events) == split_units(await service.events(run_id))
        assert text_of(events[-1]["message"]).startswith("half")
        await check_next_message(service, provider, session_id)


async def test_a_cancel_disconnects_a_silent_provider(tmp_path: Path, provider: Provider) -> None:
    async def silence(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    provider.answers = [silence]
    async with serving_with(tmp_path, provider) as service:
        session_id = await service.session()
        run_id = (await service.start(session_id, "why?"))["run"]["id"]
        await until(lambda: provider.requests)
        assert (await service.client.post(f"/api/runs/{run_id}/cancel")).status_code == 202
        await until(lambda: provider.disconnects == 1)
        assert (await service.run(run_id))["status"] == "cancelled"
        await check_next_message(service, provider, session_id)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(streams(HALF, asyncio.Event()), id="silent"),
        pytest.param(pours(HALF), id="pouring text"),
        pytest.param(pours(b": still here\n\n"), id="pouring comments"),
        pytest.param(streams(*[bytes([byte]) for byte in HALF * 4], asyncio.Event()), id="a byte at a time"),
    ],
)
async def test_a_large_answer_delays_no_other(tmp_path: Path, provider: Provider, other: Answer) -> None:
    well = streams(*text_chunks(*["word "] * 100))

    async def answer(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        await (other if request.body["messages"][-1]["content"] == "badly" else well)(request, writer)

    provider.answers = [answer]
    async with serving_with(tmp_path, provider) as service:
        bad = [await service.start(await service.session(), "badly") for _ in range(3)]
        good = [await service.send(await service.session(), "well") for _ in range(10)]
        assert {answer["run"]["status"] for answer in good} == {"completed"}
        assert {text_of(answer["message"]) for answer in good} == {"word " * 100}
        for run_id in (each["run"]["id"] for each in bad):
            assert (await service.run(run_id))["status"] == "in_progress"
            assert (await service.client.post(f"/api/runs/{run_id}/cancel")).status_code == 202
        await until(lambda: provider.disconnects == 3)
