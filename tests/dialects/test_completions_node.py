"""OpenAI's SDK for Node, unchanged, at `/v1/chat/completions` (docs/dialects.md)."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from chatkeep.errors import ModelUnavailable
from tests.dialects.openai_node import NodeClient, node_client
from tests.dialects.test_completions import WEATHER, Joke
from tests.script import Script, call, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
CREATE = "chat.completions.create"


@pytest.fixture
async def client(service: Service) -> AsyncGenerator[NodeClient]:
    async with node_client(service) as client:
        yield client


async def test_text_whole_streamed_and_by_the_helper(client: NodeClient, script: Script) -> None:
    for _ in range(3):
        script.scenes.append([say("To get"), say(" there."), stop(tokens=(9, 3))])
    whole = (await client.call(CREATE, ASK))["value"]
    assert whole["choices"][0]["message"]["content"] == "To get there."
    options = {"stream": True, "stream_options": {"include_usage": True}}
    events = (await client.call(CREATE, {**ASK, **options}))["events"]
    deltas = [choice["delta"].get("content", "") for event in events for choice in event["choices"]]
    assert ("".join(deltas), events[-1]["usage"]) == ("To get there.", whole["usage"])
    final = (await client.call("chat.completions.stream", ASK, final="finalChatCompletion"))["value"]
    assert final["choices"][0]["message"]["content"] == "To get there."


async def test_a_function_and_its_output(client: NodeClient, script: Script) -> None:
    script.play([call("weather", '{"city": "Oslo"}', 0, "w"), stop("tool_calls")], [say("Sunny."), stop()])
    asked = {**ASK, "tools": [WEATHER]}
    final = (await client.call("chat.completions.stream", asked, final="finalChatCompletion"))["value"]
    message = final["choices"][0]["message"]
    assert final["choices"][0]["finish_reason"] == "tool_calls"
    output = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "sunny"}
    again = await client.call(CREATE, {**asked, "messages": [*ASK["messages"], message, output]})
    assert again["value"]["choices"][0]["message"]["content"] == "Sunny."
    assert "sunny" in script.prompts[-1].messages[-1]["content"]


async def test_an_answer_in_a_form(client: NodeClient, script: Script) -> None:
    script.play([call("Joke", '{"setup": "Why?", "punchline": "So."}'), stop("tool_calls")])
    form = {"type": "json_schema", "json_schema": {"name": "Joke", "strict": True, "schema": Joke.model_json_schema()}}
    parsed = (await client.call("chat.completions.parse", {**ASK, "response_format": form}))["value"]
    assert json.loads(parsed["choices"][0]["message"]["content"]) == {"setup": "Why?", "punchline": "So."}


async def test_errors(client: NodeClient, script: Script) -> None:
    script.play([say("I tried"), ModelUnavailable("no connection")])
    failed = (await client.call(CREATE, {**ASK, "stream": True}))["error"]
    assert (failed["name"], failed["code"]) == ("APIError", "model_unavailable")
    refused = (await client.call(CREATE, {**ASK, "n": 2}))["error"]
    assert (refused["name"], refused["code"], refused["status"]) == ("UnprocessableEntityError", "invalid_request", 422)


async def test_leaving_stops_the_answer(client: NodeClient, service: Service, script: Script) -> None:
    script.play([say("One, "), asyncio.Event()])
    events = (await client.call(CREATE, {**ASK, "stream": True}, until="chat.completion.chunk"))["events"]
    run = events[0]["id"].removeprefix("chatcmpl-")
    assert (await service.events(run))[-1]["run"]["status"] == "cancelled"


async def test_stored_completions_are_paged(client: NodeClient, script: Script) -> None:
    stored = (await client.call(CREATE, {**ASK, "store": True, "metadata": {"a": "b"}}))["value"]
    page = await client.call("chat.completions.list", {"limit": 1})
    assert ([each["id"] for each in page["value"]], page["more"]) == ([stored["id"]], False)
    messages = (await client.call("chat.completions.messages.list", stored["id"]))["value"]
    assert [each["content"] for each in messages] == ["hi"]
    assert (await client.call("chat.completions.delete", stored["id"]))["value"]["deleted"] is True
