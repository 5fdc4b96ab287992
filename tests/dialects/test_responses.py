"""OpenAI's SDK for Python against `/v1/responses` (docs/dialects.md)."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openresponses_types import ResponseResource
from pydantic import BaseModel

from chatkeep.errors import ModelUnavailable
from tests.api.streams import until
from tests.api.tables import nothing_stored
from tests.api.test_functions import functional
from tests.dialects.openai import DEFAULT, PICK, openai_error, output
from tests.script import Script, call, say, stop, think
from tests.service import Service, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """A service whose assistant has functions of every kind."""
    async with serving(functional(tmp_path), script) as service:
        yield service


async def test_a_text(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([think("Hm."), say("To get"), say(" there."), stop(tokens=(10, 5))])
    response = await client.responses.create(
        model="gpt-5-mini", input="why?", instructions="Be brief.", metadata={"a": "b"}, temperature=0.5
    )
    assert (response.status, response.output_text) == ("completed", "To get there.")
    assert [each.type for each in response.output] == ["reasoning", "message"]
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (10, 5)
    assert (response.metadata, response.instructions, response.temperature) == ({"a": "b"}, "Be brief.", 0.5)
    assert [each["content"] for each in script.prompts[-1].messages] == ["Be brief.", "why?"]
    assert script.prompts[-1].params == {"temperature": 0.5}
    assert await client.responses.retrieve(response.id) == response
    ResponseResource.model_validate(response.to_dict())


async def test_a_stream(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([think("Hm."), say("To get"), say(" there."), stop(tokens=(10, 5))])
    stream = await client.responses.create(model="gpt-5-mini", input="why?", stream=True)
    events: list[Any] = [event async for event in stream]
    assert events[-1].response == await client.responses.retrieve(events[-1].response.id)
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
    script.play([say("To get"), say(" there."), stop()])
    async with client.responses.stream(model="gpt-5-mini", input="why?") as helper:
        texts = [event.snapshot async for event in helper if event.type == "response.output_text.delta"]
        assert (await helper.get_final_response()).output_text == texts[-1] == "To get there."


async def test_a_chain_is_a_session(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()], [say("Other two."), stop()])
    first = await client.responses.create(model="gpt-5-mini", input="one")
    second = await client.responses.create(model="gpt-5-mini", input="two", previous_response_id=first.id)
    other = await client.responses.create(model="gpt-5-mini", input="two!", previous_response_id=first.id)
    assert (second.output_text, second.previous_response_id) == ("Two.", first.id)
    assert [each["content"] for each in script.prompts[-1].messages] == ["one", "One.", "two!"]
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    page = await service.client.get(f"/api/sessions/{session['id']}/messages", params={"branches": "all"})
    assert len(page.json()["data"]) == 6
    assert other.output_text == "Other two."


async def test_a_history_with_our_ids_goes_on(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()])
    history: list[Any] = [{"role": "user", "content": "one"}]
    first = await client.responses.create(model="gpt-5-mini", input=history)
    new: Any = {"role": "user", "content": [{"type": "input_text", "text": "two"}]}
    shown: list[Any] = [first.output[0].to_dict(), {"type": "item_reference", "id": first.output[0].id}]
    for answer in shown:
        await client.responses.create(model="gpt-5-mini", input=[*history, answer, new])
        assert [each["content"] for each in script.prompts[-1].messages] == ["one", "One.", "two"]
    assert len((await service.client.get("/api/sessions")).json()["data"]) == 1


async def test_a_history_that_is_kept_elsewhere(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("Two."), stop()], [say("Red."), stop()])
    history: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "two"},
    ]
    answer = await client.responses.create(model="gpt-5-mini", input=history, store=False)
    assert (answer.output_text, answer.to_dict()["store"]) == ("Two.", False)
    assert [each["content"] for each in script.prompts[-1].messages] == ["Be brief.", "one", "One.", "two"]
    assert (await service.client.get("/api/sessions")).json()["data"] == []
    calls: list[Any] = [
        history[3],
        {"type": "function_call", "call_id": "p", "name": "pick", "arguments": '{"n":1}'},
        output("p", "red"),
    ]
    answer = await client.responses.create(model="gpt-5-mini", input=calls, tools=[PICK], store=False)
    assert [each.type for each in answer.output] == ["message"]
    assert answer.output_text == "Red."
    assert [each["role"] for each in script.prompts[-1].messages] == ["system", "user", "assistant", "tool"]
    assert await client.responses.retrieve(answer.id) == answer


async def test_items_of_an_answer_are_sent_back(client: AsyncOpenAI, script: Script) -> None:
    called = [call("weather", '{"city":"Oslo"}', 0, "w"), stop("tool_calls")]
    script.play(called, [say("Rain."), stop()], [say("Sun."), stop()])
    first = await client.responses.create(model=DEFAULT, input="today?")
    upto = [each.to_dict() for each in first.output[:2]]
    assert [each["type"] for each in upto] == ["function_call", "function_call_output"]
    history: list[Any] = [{"role": "user", "content": "today?"}, *upto, {"role": "user", "content": "tomorrow?"}]
    second = await client.responses.create(model=DEFAULT, input=history)
    assert second.output_text == "Sun."
    roles = [each["role"] for each in script.prompts[-1].messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


async def test_a_client_s_function(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play(
        [
            say("Look: "),
            call("weather", '{"city":"Oslo"}', 0, "w"),
            call("pick", '{"n":1}', 1, "p"),
            stop("tool_calls", (9, 3)),
        ],
        [say("Red it is."), stop(tokens=(20, 4))],
    )
    first = await client.responses.create(model=DEFAULT, input="colour?", tools=[PICK])
    kinds = [each.type for each in first.output]
    assert kinds == ["message", "function_call", "function_call", "function_call_output"]
    assert first.output[3].to_dict()["call_id"] == "w"
    assert first.status == "completed"
    assert first.usage is not None
    assert first.usage.input_tokens == 9
    second = await client.responses.create(
        model=DEFAULT, previous_response_id=first.id, input=[output("p", "red")], tools=[PICK], metadata={"k": "2"}
    )
    assert (second.output_text, second.previous_response_id, second.metadata) == ("Red it is.", first.id, {"k": "2"})
    assert second.usage is not None
    assert second.usage.input_tokens == 20
    assert [each["content"] for each in script.prompts[-1].messages if each["role"] == "tool"][-1].endswith(
        '"red"</data>'
    )
    assert await client.responses.retrieve(first.id) == first
    assert await client.responses.retrieve(second.id) == second
    for each in (first, second):
        ResponseResource.model_validate(each.to_dict())


class Colour(BaseModel):
    name: str
    warm: bool


async def test_structured_output(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play(
        [call("reply_as_Colour", '{"name":1}'), stop("tool_calls")],
        [call("reply_as_Colour", '{"name":"red",'), call(None, '"warm":true}'), stop("tool_calls")],
    )
    response = await client.responses.parse(model="gpt-5-mini", input="a colour", text_format=Colour)
    assert response.output_parsed == Colour(name="red", warm=True)
    assert script.prompts[0].params["tool_choice"] == {"name": "reply_as_Colour"}
    assert (await client.responses.retrieve(response.id)).output_text == '{"name":"red","warm":true}'


async def test_a_reload_in_mid_stream(service: Service, client: AsyncOpenAI, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("One, "), say("two, "), gate, say("three."), stop()])
    stream = await client.responses.create(model="gpt-5-mini", input="count", stream=True)
    seen: list[Any] = []
    async for event in stream:
        seen.append(event)
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    response_id = seen[0].response.id
    gate.set()
    rest = await client.responses.retrieve(response_id, stream=True, starting_after=seen[-1].sequence_number)
    seen += [event async for event in rest]
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert (text, seen[-1].type) == ("One, two, three.", "response.completed")
    assert [each.sequence_number for each in seen] == sorted({each.sequence_number for each in seen})
    async with client.responses.stream(response_id=response_id, starting_after=seen[3].sequence_number) as again:
        assert (await again.get_final_response()).output_text == text


async def test_the_input_of_a_response(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([call("pick", '{"n":1}', 0, "p"), stop("tool_calls")], [say("Red."), stop()])
    first = await client.responses.create(model="gpt-5-mini", input="colour?", tools=[PICK])
    second = await client.responses.create(
        model="gpt-5-mini", input=[output("p", "red")], previous_response_id=first.id
    )
    (asked,) = (await client.responses.input_items.list(first.id)).data
    assert asked.to_dict()["content"] == [{"type": "input_text", "text": "colour?"}]
    (given,) = (await client.responses.input_items.list(second.id)).data
    assert (given.to_dict()["call_id"], given.to_dict()["output"]) == ("p", "red")


async def test_the_tokens_of_a_request(service: Service, client: AsyncOpenAI, script: Script) -> None:
    async with nothing_stored(service):
        short = await client.responses.input_tokens.count(model="gpt-5-mini", input="why?")
        long = await client.responses.input_tokens.count(model="gpt-5-mini", input="why? " * 100, tools=[PICK])
    assert 5 < short.input_tokens < 20
    assert 150 < long.input_tokens < 250
    script.play([say("One. " * 100), stop()])
    first = await client.responses.create(model="gpt-5-mini", input="one")
    after = await client.responses.input_tokens.count(model="gpt-5-mini", input="two", previous_response_id=first.id)
    assert after.input_tokens > 100
    wordy = await service.session(assistant="plain", instructions="Be brief. " * 100)
    told = await client.responses.input_tokens.count(model="gpt-5-mini", input="why?", conversation=f"conv_{wordy}")
    assert told.input_tokens > short.input_tokens + 150


async def test_deleting_a_response(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()])
    first = await client.responses.create(model="gpt-5-mini", input="one")
    second = await client.responses.create(model="gpt-5-mini", input="two", previous_response_id=first.id)
    with pytest.raises(openai.UnprocessableEntityError, match="conv_"):  # the session is one history
        await client.responses.delete(second.id)
    alone = await client.responses.create(model="gpt-5-mini", input="three")
    await client.responses.delete(alone.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(alone.id)
    assert len((await service.client.get("/api/sessions")).json()["data"]) == 1


async def test_background_poll_and_cancel(service: Service, client: AsyncOpenAI, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("One, "), gate, say("two."), stop()], [say("One, "), asyncio.Event()])
    response = await client.responses.create(model="gpt-5-mini", input="count", background=True)
    assert (response.status, response.background) == ("in_progress", True)
    gate.set()
    while response.status == "in_progress":
        response = await client.responses.retrieve(response.id)
    assert response.output_text == "One, two."
    response = await client.responses.create(model="gpt-5-mini", input="count", background=True)
    await until(lambda: len(script.prompts) == 2)
    cancelled = await client.responses.cancel(response.id)
    assert (cancelled.status, cancelled.output_text) == ("cancelled", "One, ")
    assert await client.responses.cancel(response.id) == cancelled


async def test_an_answer_that_fails(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("I tried"), ModelUnavailable("no connection")])
    response = await client.responses.create(model="gpt-5-mini", input="hello?")
    assert (response.status, response.output_text) == ("failed", "I tried")
    assert response.error is not None
    assert (response.error.code, response.error.message) == ("model_unavailable", "no connection")


async def test_a_branch_while_an_answer_is_made(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("One, "), asyncio.Event()])
    first = await client.responses.create(model="gpt-5-mini", input="count", background=True)
    with pytest.raises(openai.ConflictError) as refused:
        await client.responses.create(model="gpt-5-mini", input="now", previous_response_id=first.id)
    assert openai_error({"error": refused.value.body})["code"] == "session_busy"
    assert refused.value.response.headers["x-should-retry"] == "false"


async def test_a_repeat_with_the_same_key(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("Hi."), stop()])
    headers = {"Idempotency-Key": "k"}
    first = await client.responses.create(model="gpt-5-mini", input="hello", extra_headers=headers)
    again = await client.responses.create(model="gpt-5-mini", input="hello", extra_headers=headers)
    assert first == again
    with pytest.raises(openai.UnprocessableEntityError):
        await client.responses.create(model="gpt-5-mini", input="bye", extra_headers=headers)
    assert len(script.prompts) == 1


IMAGE = {"role": "user", "content": [{"type": "input_image", "image_url": "https://example.org/x.png"}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": " "}, "input[0].content"),
        ({"input": [IMAGE]}, "input[0].content.0"),
        ({"input": [{**IMAGE, "role": "system"}, {"role": "user", "content": "x"}]}, "input[0].content"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"input": [{"type": "item_reference", "id": "msg_x"}, {"role": "user", "content": "x"}]}, "input"),
        ({"input": [output("x", "1")]}, "input[0].call_id"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": "x", "tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
        ({"input": "x", "tool_choice": {"type": "mcp"}}, "tool_choice"),
        ({"input": "x", "text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"input": "x", "text": {"verbosity": "low"}}, "text"),
        ({"input": "x", "metadata": {"a": 1}}, "metadata.a"),
        ({"input": "x", "temperature": 3}, "temperature"),
        ({"input": "x", "max_tool_calls": 1}, None),
        ({"input": "x", "prompt": {"id": "x"}}, None),
        ({"input": "x", "model": "assistant:nope"}, "model"),
        ({"input": "x", "instructions": "x", "model": DEFAULT}, "instructions"),
        ({"input": "x", "previous_response_id": "x", "conversation": "y"}, "previous_response_id"),
        ({"input": "x", "unheard_of": 1}, None),
    ],
)
async def test_a_bad_request_changes_nothing(service: Service, body: dict[str, Any], param: str | None) -> None:
    async with nothing_stored(service):
        answer = await service.client.post("/v1/responses", json=body)
    assert answer.status_code == 422, answer.text
    error = openai_error(answer.json())
    assert (error["code"], error["param"]) == ("invalid_request", param) or param is None


@pytest.mark.parametrize("response_id", ["x", "resp_x", "resp_01890a5d-ac96-774b-bcce-b302099a8057", "resp_"])
async def test_an_unknown_response(service: Service, response_id: str) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "?stream=true")):
        answer = await service.client.request(method, f"/v1/responses/{response_id}{path}")
        assert (answer.status_code, openai_error(answer.json())["code"]) == (404, "not_found")
    answer = await service.client.post("/v1/responses", json={"input": "x", "previous_response_id": response_id})
    assert answer.status_code == 404
