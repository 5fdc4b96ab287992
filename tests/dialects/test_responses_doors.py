"""Responses beside other doors, after a restart of the log's retention, and after `kill -9` (docs/dialects.md)."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.api.tables import expire_logs
from tests.api.test_functions import functional
from tests.dialects.ai_sdk import Running, ai_chat
from tests.dialects.openai import DEFAULT, PICK, openai_error, output
from tests.faults.process import Home, running
from tests.script import Script, call, say, stop, think
from tests.service import Service, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """A service whose assistant has functions of every kind."""
    async with serving(functional(tmp_path), script) as service:
        yield service


async def test_a_response_outlives_its_events(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play(
        [think("Hm."), say("Look: "), call("weather", '{"city":"Oslo"}', 0, "w"), stop("tool_calls", (9, 3))],
        [call("pick", '{"n":1}', 0, "p"), stop("tool_calls", (20, 4))],
        [say("Red it is."), stop(tokens=(30, 5))],
    )
    first = await client.responses.create(model=DEFAULT, input="colour?", tools=[PICK])
    second = await client.responses.create(model=DEFAULT, input=[output("p", "red")], previous_response_id=first.id)
    assert first.usage is not None
    assert second.usage is not None
    assert (first.usage.input_tokens, second.usage.input_tokens) == (29, 30)
    given = (await client.responses.input_items.list(second.id)).data
    await expire_logs(service)
    for each in (first, second):
        assert (await client.responses.retrieve(each.id)).to_dict() == each.to_dict()
    assert (await client.responses.input_items.list(second.id)).data == given
    with pytest.raises(openai.APIStatusError) as refused:
        await client.responses.retrieve(first.id, stream=True)
    assert (refused.value.status_code, openai_error({"error": refused.value.body})["code"]) == (410, "events_expired")


async def test_a_call_is_answered_through_another_door(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([call("pick", '{"n":1}', 0, "p"), stop("tool_calls")], [say("Red."), stop()])
    first = await client.responses.create(model=DEFAULT, input="colour?", tools=[PICK])
    run_id = first.id.removeprefix("resp_")
    body = {"outputs": [{"call_id": "p", "output": "red"}]}
    assert (await service.client.post(f"/api/runs/{run_id}/tool-outputs", json=body)).status_code < 300
    with pytest.raises(openai.ConflictError) as refused:
        await client.responses.create(model=DEFAULT, input=[output("p", "red")], previous_response_id=first.id)
    assert openai_error({"error": refused.value.body})["code"] == "call_not_waiting"
    with pytest.raises(openai.UnprocessableEntityError, match=f"resp_{run_id}_1_"):
        await client.responses.create(model=DEFAULT, input="and?", previous_response_id=first.id)
    assert await client.responses.retrieve(first.id) == first


async def test_two_clients_in_one_session(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()], [say("Three."), stop()])
    session = await service.session()
    async with ai_chat(service, "6", session) as chat:
        await chat.send("one")
        await client.responses.create(model=DEFAULT, conversation=f"conv_{session}", input="two")
        messages = (await service.client.get(f"/api/chat/{session}/messages")).json()
        assert [part["text"] for each in messages for part in each["parts"] if part["type"] == "text"] == [
            "one", "One.", "two", "Two.",
        ]  # fmt: skip
    items = await client.conversations.items.list(f"conv_{session}", order="asc")
    texts: list[Any] = [item.to_dict()["content"] for item in items.data]
    assert [each[0]["text"] for each in texts] == ["one", "One.", "two", "Two."]


async def test_one_stream_for_two_readers(client: AsyncOpenAI, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("One, "), gate, say("two."), stop()])
    first = await client.responses.create(model="gpt-5-mini", input="count", background=True)

    async def read() -> list[Any]:
        return [event async for event in await client.responses.retrieve(first.id, stream=True)]

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.sleep(0)
    gate.set()
    one, other = [await each for each in readers]
    assert one[-1] == other[-1]


def text_of(events: list[Any]) -> str:
    return "".join(each.delta for each in events if each.type == "response.output_text.delta")


@pytest.mark.parametrize("seen", ["2 ", "30 "])
async def test_a_killed_service_has_what_was_seen(database: str, tmp_path: Path, seen: str) -> None:
    home = Home(tmp_path, database, {})
    events: list[Any] = []

    async def read(client: AsyncOpenAI, process: asyncio.subprocess.Process) -> None:
        async for event in await client.responses.create(input="count to 60", stream=True):
            events.append(event)
            if seen in text_of(events):
                process.kill()

    async with running(home) as service, sdk(service) as client:
        with pytest.raises(openai.APIConnectionError):
            await read(client, service.process)
        await service.ended()
    async with running(home) as service, sdk(service) as client:
        response_id, number = events[0].response.id, events[-1].sequence_number
        stream = await client.responses.retrieve(response_id, stream=True, starting_after=number)
        rest: list[Any] = [event async for event in stream]
        ended = rest[-1].response
        assert (rest[-1].type, ended.error.code) == ("response.failed", "interrupted")
        assert ended.output_text == text_of(events + rest)
        assert seen in ended.output_text
        assert await client.responses.retrieve(response_id) == ended


def sdk(service: Running) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{str(service.client.base_url).rstrip('/')}/v1", api_key="any", max_retries=0)
