"""OpenAI's SDK for Node against `/v1/responses` and `/v1/conversations` (docs/dialects.md)."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from chatkeep.errors import ModelUnavailable
from tests.api.test_functions import functional
from tests.dialects.openai import PICK, output
from tests.dialects.openai_node import NodeClient, node_client
from tests.script import Script, call, say, stop, think
from tests.service import Service, serving

pytestmark = pytest.mark.anyio

ASK = {"model": "gpt-5-mini", "input": "why?"}


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """A service whose assistant has functions of every kind."""
    async with serving(functional(tmp_path), script) as service:
        yield service


@pytest.fixture
async def client(service: Service) -> AsyncGenerator[NodeClient]:
    async with node_client(service) as client:
        yield client


async def test_text_and_helper(client: NodeClient, script: Script) -> None:
    script.play([think("Hm."), say("To get"), say(" there."), stop()], [say("To get"), say(" there."), stop()])
    response = (await client.call("responses.create", ASK))["value"]
    assert (response["status"], response["output_text"]) == ("completed", "To get there.")
    streamed = (await client.call("responses.stream", ASK, final="finalResponse"))["value"]
    assert streamed["output_text"] == "To get there."
    stored = (await client.call("responses.retrieve", streamed["id"]))["value"]
    assert stored["output_text"] == "To get there."


async def test_a_function(client: NodeClient, script: Script) -> None:
    script.play([call("pick", '{"n":1}', 0, "p"), stop("tool_calls")], [say("Red."), stop()])
    first = (await client.call("responses.create", {**ASK, "tools": [PICK]}))["value"]
    assert [(each["type"], each["arguments"]) for each in first["output"]] == [("function_call", '{"n":1}')]
    more = {"previous_response_id": first["id"], "input": [output("p", "red")]}
    second = (await client.call("responses.create", {**ASK, **more}))["value"]
    assert second["output_text"] == "Red."


async def test_an_abort_and_the_rest(client: NodeClient, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("One, "), gate, say("two."), stop()])
    body = {**ASK, "stream": True}
    seen = (await client.call("responses.create", body, until="response.output_text.delta"))["events"]
    gate.set()
    query = {"stream": True, "starting_after": seen[-1]["sequence_number"]}
    seen += (await client.call("responses.retrieve", seen[0]["response"]["id"], query))["events"]
    assert "".join(each["delta"] for each in seen if each["type"] == "response.output_text.delta") == "One, two."
    assert seen[-1]["type"] == "response.completed"


async def test_errors(client: NodeClient, script: Script) -> None:
    script.play([say("I tried"), ModelUnavailable("no connection")])
    failed = (await client.call("responses.create", {**ASK, "stream": True}))["events"]
    assert failed[-1]["response"]["error"] == {"code": "model_unavailable", "message": "no connection"}
    refused = (await client.call("responses.create", {**ASK, "tools": [{"type": "web_search"}]}))["error"]
    assert (refused["name"], refused["status"], refused["code"]) == ("UnprocessableEntityError", 422, "invalid_request")
    assert (await client.call("responses.retrieve", "resp_x"))["error"]["name"] == "NotFoundError"


async def test_a_conversation(client: NodeClient, script: Script) -> None:
    script.play([say("One."), stop()])
    made = (await client.call("conversations.create", {"metadata": {"a": "b"}}))["value"]
    await client.call("responses.create", {**ASK, "conversation": made["id"]})
    items = await client.call("conversations.items.list", made["id"], {"limit": 1})
    assert (items["value"][0]["content"][0]["text"], items["more"]) == ("One.", True)
    assert (await client.call("conversations.delete", made["id"]))["value"]["deleted"] is True
