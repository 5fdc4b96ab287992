"""OpenAI's SDK for Python, unchanged, at `/v1/chat/completions` (docs/dialects.md)."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from chatkeep.errors import ContextOverflow, ModelUnavailable
from chatkeep.llm.chunks import Choice, Chunk, MessageDelta
from tests.api.tables import contents, nothing_stored
from tests.dialects.openai import openai_error
from tests.script import Script, call, say, stop, think
from tests.service import Service

pytestmark = pytest.mark.anyio

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
HI: list[Any] = [{"role": "user", "content": "hi"}]


class Joke(BaseModel):
    setup: str
    punchline: str


async def ask(client: AsyncOpenAI, **fields: Any) -> Any:
    """Return the client's answer to a request of the model `m`."""
    create: Any = client.chat.completions.create
    return await create(**{"model": "m", **fields})


async def stream(client: AsyncOpenAI, messages: list[Any], **more: Any) -> list[Any]:
    """Return the chunks of an answer to `messages`."""
    options: dict[str, Any] = {"stream": True, **more}
    return [chunk async for chunk in await ask(client, messages=messages, **options)]


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


async def sessions(service: Service) -> list[dict[str, Any]]:
    return (await service.client.get("/api/sessions")).json()["data"]


async def test_an_answer_whole(service: Service, script: Script, client: AsyncOpenAI) -> None:
    script.play([think("Hm."), say("To get"), say(" there."), stop(tokens=(9, 3))])
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "why?"}]
    options: dict[str, Any] = {"temperature": 0.5, "max_tokens": 7, "seed": 1, "stop": ["\n"], "user": "u"}
    answer = await ask(client, model="big", messages=messages, **options)
    assert answer.model == "big"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (9, 3, 12)
    (choice,) = answer.choices
    assert (choice.finish_reason, choice.message.role, choice.message.content) == ("stop", "assistant", "To get there.")
    assert choice.message.model_extra == {"reasoning_content": "Hm."}
    prompt = script.prompts[-1]
    assert (prompt.model, prompt.messages) == ("big", messages)
    assert prompt.params == {"temperature": 0.5, "max_output_tokens": 7, "seed": 1, "stop": ["\n"]}
    assert await sessions(service) == []


async def test_an_answer_streamed(service: Service, script: Script, client: AsyncOpenAI) -> None:
    script.play([think("Hm."), say("To get"), say(" there."), stop(tokens=(9, 3))])
    chunks = await stream(client, HI, stream_options={"include_usage": True})
    assert text_of(chunks) == "To get there."
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 12)
    script.play([say("Yes."), stop()])
    assert all(chunk.usage is None for chunk in await stream(client, HI))
    raw = await service.client.post("/v1/chat/completions", json={"model": "m", "messages": HI, "stream": True})
    assert raw.headers["content-type"] == "text/event-stream"
    assert raw.text.endswith("data: [DONE]\n\n")


async def test_the_messages_are_the_history(service: Service, script: Script, client: AsyncOpenAI) -> None:
    messages: list[Any] = [
        {"role": "assistant", "content": "Welcome."},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "user", "content": "three"},
        {"role": "developer", "content": "In French."},
        {"role": "assistant", "content": "Bien."},
        {"role": "user", "content": "four"},
    ]
    answer = await ask(client, messages=messages, store=True, metadata={"a": "b"})
    assert [(each["role"], each["content"]) for each in script.prompts[-1].messages] == [
        ("system", "In French."),
        ("assistant", "Welcome."),
        ("user", "one\ntwo\n\nthree"),
        ("assistant", "Bien."),
        ("user", "four"),
    ]
    (session,) = await sessions(service)
    assert (session["assistant"], session["model"], session["metadata"]) == ("plain", "m", {"a": "b"})
    assert session["instructions"] == "In French."
    page = (await service.client.get(f"/api/sessions/{session['id']}/messages")).json()["data"]
    assert [(each["role"], each.get("claimed")) for each in page] == [
        ("assistant", True), ("user", None), ("assistant", True), ("user", None), ("assistant", None),
    ]  # fmt: skip
    assert f"chatcmpl-{page[-1]['run_id']}" == answer.id
    more = await service.send(session["id"], "five")
    assert [each["content"] for each in script.prompts[-1].messages[3:]] == [
        "Bien.",
        "four",
        "Nothing more to say.",
        "five",
    ]
    assert more["run"]["model"] == "m"


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_functions_of_the_client(
    service: Service, script: Script, client: AsyncOpenAI, is_streamed: bool
) -> None:
    script.play(
        [say("Look: "), call("weather", '{"city":', 0, "c0"), call(None, '"Oslo"}', 0), stop("tool_calls")],
        [say("Sun."), call("weather", '{"city": "Rome"}', 0, "c0"), stop("tool_calls")],
        [say("Both."), stop()],
    )
    messages: list[Any] = [{"role": "user", "content": "Oslo, Rome?"}]
    for city in ("Oslo", "Rome"):
        if is_streamed:
            async with client.chat.completions.stream(model="m", messages=messages, tools=[WEATHER]) as running:
                choice = (await running.get_final_completion()).choices[0]
        else:
            choice = (await ask(client, messages=messages, tools=[WEATHER])).choices[0]
        assert choice.finish_reason == "tool_calls"
        assert choice.message.tool_calls is not None
        (made,) = choice.message.tool_calls
        assert made.type == "function"
        assert (made.function.name, made.function.arguments) == ("weather", f'{{"city":"{city}"}}')
        messages += [choice.message, {"role": "tool", "tool_call_id": made.id, "content": f"{city}: sunny"}]
    call_ids = [messages[2]["tool_call_id"], messages[4]["tool_call_id"]]
    assert call_ids[0] == "c0"
    assert len(set(call_ids)) == 2  # the provider's second id was the first again
    answer = await ask(client, messages=messages, tools=[WEATHER])
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Both.", "stop")
    sent = script.prompts[-1].messages
    assert [each["role"] for each in sent] == ["system", "user", "assistant", "tool", "assistant", "tool"]
    assert "Rome: sunny" in sent[-1]["content"]
    runs = (await contents(service))["runs"]
    assert len(runs) == 3
    assert all("completed" in row for row in runs)


def asked(call_id: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}}


async def test_how_a_function_is_chosen(service: Service, script: Script, client: AsyncOpenAI) -> None:
    messages: list[Any] = [
        *HI,
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "no city"},
    ]
    chosen: Any = {"type": "function", "function": {"name": "weather"}}
    for choice, sent in ((chosen, {"name": "weather"}), ("required", "required"), ("none", "none")):
        script.play([call("weather", '{"city": "Oslo"}'), stop("tool_calls")])
        await ask(client, model="m", messages=messages, tools=[WEATHER], tool_choice=choice, parallel_tool_calls=False)
        assert script.prompts[-1].params == {"tool_choice": sent, "parallel_tool_calls": False}


async def test_a_call_that_is_not_valid_is_corrected(script: Script, client: AsyncOpenAI) -> None:
    script.play(
        [call("weather", '{"town": "Oslo"}', 0, "a"), stop("tool_calls")],
        [call("weather", '{"city": "Oslo"}', 0, "b"), stop("tool_calls")],
    )
    chunks = await stream(client, HI, tools=[WEATHER])
    calls = [each for chunk in chunks for each in chunk.choices[0].delta.tool_calls or ()]
    assert [(each.index, each.id, each.function.arguments) for each in calls] == [(0, "b", '{"city":"Oslo"}')]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_an_answer_in_a_form(script: Script, client: AsyncOpenAI) -> None:
    joke = '{"setup": "Why?", "punchline": "Because."}'
    script.play(
        [say("Here: "), call("Joke", '{"setup": 1}'), stop("tool_calls")], [call("Joke", joke), stop("tool_calls")]
    )
    answer = await client.chat.completions.parse(model="m", messages=HI, response_format=Joke)
    assert answer.choices[0].message.parsed == Joke(setup="Why?", punchline="Because.")
    assert answer.choices[0].finish_reason == "stop"
    assert script.prompts[0].params == {"tool_choice": {"name": "Joke"}}
    script.play([call("Joke", joke), stop("tool_calls")])
    async with client.chat.completions.stream(model="m", messages=HI, response_format=Joke) as running:
        assert (await running.get_final_completion()).choices[0].message.parsed == answer.choices[0].message.parsed
    script.play([call("json_answer", '{"a": [1]}'), stop("tool_calls")], [say('{"b": 2}'), stop()])
    for text in ('{"a":[1]}', '{"b": 2}'):  # a model may not use the form, and say it
        whole = await ask(client, messages=HI, response_format={"type": "json_object"})
        assert whole.choices[0].message.content == text


async def test_a_form_beside_functions(script: Script, client: AsyncOpenAI) -> None:
    script.play([call("weather", '{"city": "Oslo"}'), stop("tool_calls")])
    schema = {"type": "json_schema", "json_schema": {"name": "Joke", "schema": Joke.model_json_schema()}}
    more: dict[str, Any] = {"response_format": schema, "tools": [WEATHER]}
    answer = await ask(client, messages=HI, **more)
    assert answer.choices[0].finish_reason == "tool_calls"
    assert script.prompts[-1].params == {"tool_choice": "required"}


async def test_an_assistant_with_its_functions(service: Service, script: Script, client: AsyncOpenAI) -> None:
    script.play([say("Ha: "), call("tell_joke", '{"text": "A joke."}'), stop("tool_calls")])
    answer = await ask(client, model="assistant:default", messages=HI, store=True)
    assert answer.model == "assistant:default"
    assert answer.choices[0].message.content == 'Ha: \n\n{"text":"A joke."}'
    assert "corny" in script.prompts[-1].messages[0]["content"]
    assert (await client.chat.completions.retrieve(answer.id)).model == "assistant:default"
    messages: list[Any] = [{"role": "system", "content": "Rhyme."}, *HI]
    with pytest.raises(openai.UnprocessableEntityError, match="takes no system message"):
        await ask(client, model="assistant:counsel", messages=messages)


async def test_an_answer_that_is_cut_or_refused(script: Script, client: AsyncOpenAI) -> None:
    for reason in ("length", "content_filter"):
        script.play([say("To"), stop(reason)], [say("To"), stop(reason)])
        assert (await ask(client, messages=HI)).choices[0].finish_reason == reason
        assert (await stream(client, HI))[-1].choices[0].finish_reason == reason
    script.play([Chunk([Choice(MessageDelta(refusal="I must not."))]), stop()])
    answer = await ask(client, messages=HI)
    assert (answer.choices[0].message.refusal, answer.choices[0].message.content) == ("I must not.", None)


async def test_an_answer_that_fails(service: Service, script: Script, client: AsyncOpenAI) -> None:
    script.play([say("I tried"), ModelUnavailable("no connection")], [ContextOverflow("too long")])
    with pytest.raises(openai.APIError, match="no connection") as broken:
        await stream(client, HI)
    assert (broken.value.code, broken.value.type) == ("model_unavailable", "server_error")
    with pytest.raises(openai.BadRequestError) as refused:
        await ask(client, messages=HI)
    assert (refused.value.code, refused.value.type) == ("context_overflow", "invalid_request_error")


IMAGE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]
LIST = {"name": "a", "schema": {"type": "array"}}


def form(json_schema: dict[str, Any]) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": json_schema}}


ORPHAN = {"role": "tool", "tool_call_id": "x", "content": ""}
CHOSEN = {"type": "function", "function": {"name": "x"}}
REFUSED: dict[str, tuple[dict[str, Any], str | None]] = {
    "two answers": ({"n": 2}, "n"),
    "log probabilities": ({"logprobs": True}, "logprobs"),
    "a bias": ({"logit_bias": {"1": 2}}, "logit_bias"),
    "an unknown field": ({"top_k": 5}, "top_k"),
    "an empty image": ({"messages": [{"role": "user", "content": IMAGE}]}, "messages.0.content.0"),
    "a part of another type": ({"messages": [{"role": "user", "content": [{"type": "x"}]}]}, "messages.0.content.0"),
    "a picture of the model": ({"messages": [{"role": "assistant", "content": IMAGE}, *HI]}, "messages.0.content"),
    "no messages": ({"messages": []}, "messages"),
    "no user": ({"messages": [{"role": "system", "content": "hi"}]}, "messages"),
    "a blank message": ({"messages": [{"role": "user", "content": " "}]}, "content.text"),
    "an output without a call": ({"messages": [*HI, ORPHAN]}, "messages.1.tool_call_id"),
    "a tool of another type": ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools.0"),
    "a function that is not there": ({"tool_choice": CHOSEN}, "tool_choice"),
    "a form that is a list": (form(LIST), "tools.0"),
    "no schema": (form({"name": "a"}), "response_format.json_schema"),
    "a wrong temperature": ({"temperature": 3}, "temperature"),
    "an assistant that is not there": ({"model": "assistant:x"}, "model"),
    "metadata that is too long": ({"metadata": {"a": "b" * 600}, "store": True}, "metadata.a"),
}


async def test_what_cannot_be_done_is_refused(service: Service, subtests: pytest.Subtests) -> None:
    for name, (fields, param) in REFUSED.items():
        with subtests.test(name):
            async with nothing_stored(service):
                body = {"model": "m", "messages": HI, **fields}
                answer = await service.client.post("/v1/chat/completions", json=body)
            assert answer.status_code == 422, answer.text
            assert (openai_error(answer.json())["code"], answer.json()["error"]["param"]) == ("invalid_request", param)


async def test_who_leaves_stops_the_answer(service: Service, script: Script, client: AsyncOpenAI) -> None:
    for more in ({}, {"store": True}):
        never = asyncio.Event()
        script.play([say("One, "), never])
        closed = script.closed
        options: dict[str, Any] = {"model": "m", "messages": HI, "stream": True, **more}
        async with await ask(client, **options) as running:
            while not (chunk := await anext(running)).choices[0].delta.content:
                pass
        run = chunk.id.removeprefix("chatcmpl-")
        if more:
            assert (await service.run(run))["status"] == "in_progress"
            never.set()
        events = await service.events(run)
        assert events[-1]["run"]["status"] == ("incomplete" if more else "cancelled")
        assert script.closed == closed + 1


async def test_who_leaves_a_whole_answer_stops_it(service: Service, script: Script, client: AsyncOpenAI) -> None:
    script.play([say("One, "), asyncio.Event()])
    asking = asyncio.create_task(ask(client, messages=HI))
    while not service.runtime.tasks:
        await asyncio.sleep(0)
    (run,) = service.runtime.tasks
    asking.cancel()
    assert (await service.events(run))[-1]["run"]["status"] == "cancelled"


async def test_a_repeat_with_a_key_gets_the_same_answer(service: Service, script: Script, client: AsyncOpenAI) -> None:
    script.play([say("Once."), stop()])
    keyed: dict[str, Any] = {"model": "m", "messages": HI, "extra_headers": {"Idempotency-Key": "k1"}}
    first = await ask(client, **keyed)
    again = await ask(client, **keyed)
    assert again == first
    assert text_of([chunk async for chunk in await ask(client, stream=True, **keyed)]) == "Once."
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await ask(client, **{**keyed, "temperature": 1})
    assert refused.value.code == "idempotency_mismatch"
    assert len(script.prompts) == 1


async def test_stored_completions(service: Service, script: Script, client: AsyncOpenAI) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()], [say("Three."), stop()])
    stored = client.chat.completions
    one = await ask(client, messages=HI, store=True)
    two = await ask(client, messages=[*HI, {"role": "assistant", "content": "Hi."}, *HI], store=True)
    hidden = await ask(client, messages=HI)
    assert [each.id async for each in await stored.list(limit=1)] == [two.id, one.id]
    found = await stored.retrieve(one.id)
    assert (found.choices, found.usage, found.created) == (one.choices, one.usage, one.created)
    messages = [each async for each in await stored.messages.list(two.id, limit=1)]
    assert [(each.role, each.content) for each in messages] == [("user", "hi"), ("assistant", "Hi."), ("user", "hi")]
    changed = await stored.update(one.id, metadata={"a": "b"})
    assert changed.metadata == {"a": "b"}
    assert (await stored.delete(one.id)).deleted is True
    for completion_id in (one.id, hidden.id, "chatcmpl-x", two.id.removeprefix("chatcmpl-")):
        with pytest.raises(openai.NotFoundError):
            await stored.retrieve(completion_id)
    assert len(await sessions(service)) == 1
