"""Conversations of OpenAI's SDK: a conversation is a session (docs/dialects.md)."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.api.tables import contents, nothing_stored
from tests.api.test_functions import functional
from tests.dialects.files import PNG_URL
from tests.dialects.openai import DEFAULT, PICK, openai_error, output
from tests.script import Script, call, say, stop
from tests.service import Service, serving

pytestmark = pytest.mark.anyio

HISTORY: Any = [
    {"type": "message", "role": "user", "content": "weather?"},
    {"type": "function_call", "call_id": "w", "name": "weather", "arguments": '{"city":"Oslo"}'},
    {"type": "function_call_output", "call_id": "w", "output": "rain"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Rain."}]},
]


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """A service whose assistant has functions of every kind."""
    async with serving(functional(tmp_path), script) as service:
        yield service


async def test_a_conversation_is_a_session(service: Service, client: AsyncOpenAI, script: Script) -> None:
    made = await client.conversations.create(metadata={"a": "b"})
    assert made.id.startswith("conv_")
    assert await client.conversations.retrieve(made.id) == made
    changed = await client.conversations.update(made.id, metadata={"c": "d"})
    assert changed.metadata == {"c": "d"}
    script.play([say("One."), stop()], [say("Two."), stop()])
    first = await client.responses.create(model="gpt-5-mini", conversation=made.id, input="one")
    second = await client.responses.create(model="gpt-5-mini", conversation={"id": made.id}, input="two")
    assert second.conversation is not None
    assert second.conversation.id == made.id
    assert [each["content"] for each in script.prompts[-1].messages] == ["one", "One.", "two"]
    items = [item async for item in client.conversations.items.list(made.id, limit=3, order="asc")]
    assert [item.to_dict()["content"][0]["text"] for item in items] == ["one", "One.", "two", "Two."]  # type: ignore[index]  # untyped
    assert items[1].to_dict() == first.output[0].to_dict()
    newest = await client.conversations.items.list(made.id, limit=1)
    assert newest.data == items[-1:]
    assert await client.conversations.items.retrieve(items[1].id or "", conversation_id=made.id) == items[1]
    session = (await service.client.get(f"/api/sessions/{made.id.removeprefix('conv_')}")).json()
    assert (session["message_count"], session["metadata"]) == (4, {"c": "d"})
    deleted = await client.conversations.delete(made.id)
    assert deleted.deleted
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(made.id)


async def test_items_of_a_history_made_elsewhere(service: Service, client: AsyncOpenAI, script: Script) -> None:
    made = await client.conversations.create(items=HISTORY)
    page = await client.conversations.items.list(made.id, order="asc")
    assert [item.type for item in page.data] == ["message", "function_call", "function_call_output", "message"]
    added = await client.conversations.items.create(made.id, items=[{"role": "user", "content": "and tomorrow?"}])
    assert [item.type for item in added.data] == ["message"]
    script.play([say("Sun."), stop()])
    await client.responses.create(model="gpt-5-mini", conversation=made.id, input="well?")
    told = [(each["role"], each.get("content")) for each in script.prompts[-1].messages]
    assert [role for role, _ in told] == ["user", "assistant", "tool", "assistant", "user"]
    assert told[-1] == ("user", "and tomorrow?\n\nwell?")
    messages = (await service.client.get(f"/api/sessions/{made.id.removeprefix('conv_')}/messages")).json()["data"]
    assert [each.get("claimed", False) for each in messages] == [False, True, False, False, False]


async def test_an_item_is_erased(service: Service, client: AsyncOpenAI, script: Script) -> None:
    made = await client.conversations.create(items=HISTORY)
    script.play([say("Secret."), stop()], [say("Yes."), stop()])
    answer = await client.responses.create(model="gpt-5-mini", conversation=made.id, input="hidden?")
    page = await client.conversations.items.list(made.id, order="asc")
    for item in (page.data[1], page.data[4], page.data[5]):  # a call with its output, the question, the answer
        assert (await client.conversations.items.delete(item.id or "", conversation_id=made.id)).id == made.id
        with pytest.raises(openai.NotFoundError):
            await client.conversations.items.retrieve(item.id or "", conversation_id=made.id)
    left = await client.conversations.items.list(made.id, order="asc")
    assert left.data == [page.data[0], page.data[3]]
    assert (await client.responses.retrieve(answer.id)).output_text == ""
    stored = await contents(service)
    assert not any(word in str([stored["messages"], stored["run_events"]]) for word in ("hidden?", "Secret.", "Oslo"))
    await client.responses.create(model="gpt-5-mini", conversation=made.id, input="there?")
    told = [(each["role"], each["content"]) for each in script.prompts[-1].messages]
    assert told == [("user", "weather?"), ("assistant", "Rain."), ("user", "there?")]


async def test_calls_of_a_conversation(service: Service, client: AsyncOpenAI, script: Script) -> None:
    made = await client.conversations.create()
    script.play([call("pick", '{"n":1}', 0, "p"), stop("tool_calls")], [say("Red."), stop()])
    first = await client.responses.create(model="gpt-5-mini", conversation=made.id, input="colour?", tools=[PICK])
    assert first.output[0].type == "function_call"
    second = await client.responses.create(model="gpt-5-mini", conversation=made.id, input=[output("p", "red")])
    assert (second.output_text, second.previous_response_id) == ("Red.", first.id)
    page = await client.conversations.items.list(made.id, order="asc")
    assert [item.type for item in page.data] == ["message", "function_call", "function_call_output", "message"]


async def test_a_session_of_the_page_is_a_conversation(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()])
    session = await service.session()
    await service.send(session, "one")
    answer = await client.responses.create(model=DEFAULT, conversation=f"conv_{session}", input="two")
    assert answer.output_text == "Two."
    with pytest.raises(openai.UnprocessableEntityError):
        await client.responses.create(model="assistant:scribe", conversation=f"conv_{session}", input="three")


async def test_a_refused_first_response_changes_nothing(service: Service, client: AsyncOpenAI, script: Script) -> None:
    made = await client.conversations.create()
    wrong: list[dict[str, Any]] = [
        {"input": "x", "instructions": "Be brief."},  # the assistant takes none
        {"input": "x", "temperature": 9.0},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": PNG_URL}]}]},
    ]
    script.input = ("text",)
    for fields in wrong:
        with pytest.raises(openai.UnprocessableEntityError):
            await client.responses.create(model="assistant:scribe", conversation=made.id, **fields)
    assert (await client.files.list()).data == []
    items: Any = [{"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}]
    with pytest.raises(openai.UnprocessableEntityError):
        await client.conversations.create(items=items)
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    assert (session["id"], session["assistant"]) == (made.id.removeprefix("conv_"), "plain")


async def test_the_first_response_names_the_assistant(client: AsyncOpenAI, script: Script) -> None:
    made = await client.conversations.create()
    script.play([say("One."), stop()], [say("Two."), stop()])
    await client.responses.create(model=DEFAULT, conversation=made.id, input="one")
    assert script.prompts[-1].messages[0]["content"].startswith("You are a test.")
    with pytest.raises(openai.UnprocessableEntityError):
        await client.responses.create(model="assistant:plain", conversation=made.id, input="two")


async def test_a_busy_conversation(service: Service, client: AsyncOpenAI, script: Script) -> None:
    made = await client.conversations.create()
    script.play([say("One, "), asyncio.Event()])
    await client.responses.create(model="gpt-5-mini", conversation=made.id, input="count", background=True)
    for request in (
        client.responses.create(model="gpt-5-mini", conversation=made.id, input="now"),
        client.conversations.items.create(made.id, items=[{"role": "user", "content": "x"}]),
    ):
        with pytest.raises(openai.ConflictError) as refused:
            await request
        assert openai_error({"error": refused.value.body})["code"] == "session_busy"


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"role": "system", "content": "x"}],
        [{"role": "user", "content": " "}],
        [{"type": "function_call", "call_id": "w", "name": "weather", "arguments": "{"}],
        [{"type": "function_call", "call_id": "w", "name": "weather", "arguments": "{}"}],
        [output("w", "x")],
        [{"role": "user", "content": "x"}] * 21,
    ],
)
async def test_bad_items_change_nothing(service: Service, client: AsyncOpenAI, items: Any) -> None:
    made = await client.conversations.create()
    async with nothing_stored(service):
        with pytest.raises(openai.UnprocessableEntityError):
            await client.conversations.items.create(made.id, items=items)
        if items:
            with pytest.raises(openai.UnprocessableEntityError):
                await client.conversations.create(items=items)


async def test_unknown_conversations(service: Service, client: AsyncOpenAI) -> None:
    made = await client.conversations.create()
    async with nothing_stored(service):
        for conversation_id in ("x", "conv_x", "conv_01890a5d-ac96-774b-bcce-b302099a8057"):
            with pytest.raises(openai.NotFoundError):
                await client.conversations.retrieve(conversation_id)
            with pytest.raises(openai.NotFoundError):
                await client.responses.create(model="gpt-5-mini", conversation=conversation_id, input="x")
        for item_id in ("x", "msg_x", "msg_01890a5d-ac96-774b-bcce-b302099a8057"):
            with pytest.raises(openai.NotFoundError):
                await client.conversations.items.retrieve(item_id, conversation_id=made.id)
        with pytest.raises(openai.UnprocessableEntityError):
            await client.conversations.items.list(made.id, after="msg_x")
