"""The HTTP tests of the compliance suite of Open Responses (2026-04-24), one by one: its requests, its checks.

The suite itself is in no registry of packages. Its types are (PyPI `openresponses-types`), made of the same document:
each answer and each event is checked with them.
"""

import json
from typing import Any, NamedTuple

import pytest
from openresponses_types import CompactResource, ResponseResource

from chatkeep.errors import ModelUnavailable
from tests.dialects.files import PNG_URL, pictures
from tests.dialects.test_responses_stream import EVENTS
from tests.script import Line, Script, call, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}},
        "required": ["location"],
    },
}
WHERE = "What's the weather like in San Francisco?"
LOOK = "What do you see in this image? Answer in one sentence."


def message(role: str, content: Any, **more: str) -> dict[str, Any]:
    return {"type": "message", "role": role, **more, "content": content}


class Case(NamedTuple):
    """A test of the suite: the fields of its request, and what the model says."""

    input: list[dict[str, Any]]
    scene: list[Line]
    fields: dict[str, Any] = {}  # noqa: RUF012  # of a tuple, and never written to
    output: str = "message"


TEXT: list[Line] = [say("Hello "), say("there."), stop()]
CALL: list[Line] = [call("get_weather", '{"location": '), call(None, '"San Francisco, CA"}'), stop("tool_calls")]
CASES = {
    "basic-response": Case([message("user", "Say hello in exactly 3 words.")], TEXT),
    "assistant-phase": Case(
        [
            message("assistant", "I should answer with the saved number.", phase="commentary"),
            message("assistant", "The number is four.", phase="final_answer"),
            message("user", "Repeat only the number."),
        ],
        TEXT,
    ),
    "streaming-response": Case([message("user", "Count from 1 to 5.")], TEXT, {"stream": True}),
    "system-prompt": Case(
        [message("system", "You are a pirate. Always respond in pirate speak."), message("user", "Say hello.")], TEXT
    ),
    "tool-calling": Case([message("user", WHERE)], CALL, {"tools": [WEATHER]}, "function_call"),
    "tool-calling-streaming": Case(
        [message("user", WHERE)], CALL, {"tools": [WEATHER], "stream": True}, "function_call"
    ),
    "image-input": Case(
        [message("user", [{"type": "input_text", "text": LOOK}, {"type": "input_image", "image_url": PNG_URL}])], TEXT
    ),
    "multi-turn": Case(
        [
            message("user", "My name is Alice."),
            message("assistant", "Hello Alice! Nice to meet you. How can I help you today?"),
            message("user", "What is my name?"),
        ],
        TEXT,
    ),
}


def parse_events(stream: str) -> list[dict[str, Any]]:
    """Return the events of a stream, each checked: its name is its type, and it has that type's form."""
    *blocks, last, rest = stream.split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    events: list[dict[str, Any]] = []
    for block in blocks:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        EVENTS[event["type"]].model_validate(event)
        events.append(event)
    return events


@pytest.mark.parametrize("name", CASES)
async def test_the_suite_s_test_passes(service: Service, script: Script, name: str) -> None:
    case = CASES[name]
    script.play(case.scene)
    body = {"model": "gpt-4o-mini", "input": case.input, "stream": False, **case.fields}
    answer = await service.client.post("/v1/responses", json=body, headers={"authorization": "Bearer any"})
    assert answer.status_code == 200, answer.text
    if not body["stream"]:
        response = answer.json()
    else:
        events = parse_events(answer.text)
        assert events
        response = events[-1]["response"]
        if case.output == "function_call":
            types = {event["type"] for event in events}
            assert types >= {"response.function_call_arguments.delta", "response.function_call_arguments.done"}
            for kind in ("response.output_item.added", "response.output_item.done"):
                assert any(each["type"] == kind and each["item"]["type"] == "function_call" for each in events)
    ResponseResource.model_validate(response)
    assert response["status"] == "completed"
    assert case.output in [item["type"] for item in response["output"]]
    assert pictures(script.prompts[0]) == (name == "image-input")


AGREED = [message("user", "We agreed to launch on Tuesday."), message("assistant", "Understood: Tuesday.")]


async def test_compact_response(service: Service, script: Script) -> None:
    script.play([say("The launch is on Tuesday."), stop(tokens=(30, 6))], [say("On Tuesday."), stop()])
    body: dict[str, Any] = {"model": "gpt-4o-mini", "input": AGREED, "prompt_cache_key": "a test"}
    answer = await service.client.post("/v1/responses/compact", json=body)
    assert answer.status_code == 200, answer.text
    compacted = answer.json()
    CompactResource.model_validate(compacted)
    assert compacted["object"] == "response.compaction"
    assert [item["type"] for item in compacted["output"]] == ["message", "compaction"]
    assert compacted["usage"]["input_tokens"] == 30
    prompt = script.prompts[0].messages
    assert [each["role"] for each in prompt] == ["user", "assistant", "user"]
    assert (await service.client.get("/api/sessions")).json()["data"] == []

    body = {"model": "gpt-4o-mini", "input": [*compacted["output"], message("user", "When?")], "store": False}
    assert (await service.client.post("/v1/responses", json=body)).json()["status"] == "completed"
    told = [(each["role"], each["content"]) for each in script.prompts[1].messages]
    summary = "In short, what was said before:\n\nThe launch is on Tuesday."
    assert told == [("user", AGREED[0]["content"]), ("assistant", summary), ("user", "When?")]


async def test_compact_missing_model(service: Service) -> None:
    answer = await service.client.post("/v1/responses/compact", json={"input": AGREED})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


async def test_a_compaction_that_cannot_be(service: Service, script: Script) -> None:
    script.play([ModelUnavailable("away")])
    answer = await service.client.post("/v1/responses/compact", json={"model": "gpt-4o-mini", "input": AGREED})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "model_unavailable")
    for wrong in (
        {"model": "assistant:default", "input": AGREED},
        {"model": "gpt-4o-mini"},
        {"model": "gpt-4o-mini", "input": [{"type": "item_reference", "id": "msg_1"}]},
        {"model": "gpt-4o-mini", "input": [{"type": "compaction", "encrypted_content": "no base64"}]},
    ):
        answer = await service.client.post("/v1/responses/compact", json=wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request"), wrong
