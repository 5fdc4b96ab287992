"""`OpenAIModel` and a real HTTP server: requests, answers, and stopping them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from chatkeep.llm import Prompt, connect_model
from chatkeep.llm.chunks import TokenCounts
from chatkeep.llm.model_library import ModelLibrary
from chatkeep.llm.openai_model import OpenAIModel
from chatkeep.llm.practice import Practice
from tests.llm.asking import KEY, PROMPT, connected, receive, until
from tests.provider import Provider, refuses, streams, text_chunks
from tests.service import settings

pytestmark = pytest.mark.anyio

TOOL = {"type": "function", "function": {"name": "weather", "description": "Rain?", "parameters": {"type": "object"}}}


async def test_an_answer_comes_with_its_usage(provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("To get ", "to the other ", "side."))]
    async with connected(provider) as model:
        answer = await receive(model)
    assert answer.failure is None
    assert answer.text == "To get to the other side."
    assert answer.tokens == [TokenCounts(9, 3)]


async def test_the_request_is_a_streamed_chat_completion(provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("Hello"))]
    async with connected(provider) as model:
        await receive(model)
    (asked,) = provider.requests
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["content-type"] == "application/json"
    assert asked.body == {
        "model": "gpt-5-mini",
        "messages": [{"role": "user", "content": "why?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_functions_and_temperature_are_sent_when_there_are_any(provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("Hello"))]
    async with connected(provider) as model:
        await receive(model, Prompt("m", PROMPT.messages, [TOOL], {"temperature": 0.0}))
    (asked,) = provider.requests
    assert asked.body["tools"] == [TOOL]
    assert asked.body["temperature"] == 0.0


async def test_a_prompt_in_any_script_is_sent_unchanged(provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("Hello"))]
    messages = [{"role": "user", "content": "\U0001f414 漢字 \u2028 é \\ \" '"}]
    async with connected(provider) as model:
        await receive(model, Prompt("m", messages, []))
    assert provider.requests[0].body["messages"] == messages


async def test_a_local_server_needs_no_key(provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("Hello"))]
    async with connected(provider, openai_api_key=None) as model:
        answer = await receive(model)
    assert answer.text == "Hello"
    assert KEY not in str(provider.requests[0].headers)


async def test_text_is_returned_while_the_answer_still_comes(provider: Provider) -> None:
    more = asyncio.Event()
    first, *rest = text_chunks("To get ", "across.")
    provider.answers = [streams(first, more, *rest)]
    async with connected(provider) as model:
        answer = model.stream(PROMPT)
        chunks = await anext(answer)
        assert [choice.delta.content for choice in chunks[0].choices or () if choice.delta] == ["To get "]
        more.set()
        assert [chunk async for chunks in answer for chunk in chunks][-1].usage == TokenCounts(9, 3)


async def test_bytes_may_be_divided_in_any_way(provider: Provider) -> None:
    body = b"".join(text_chunks("To get ", "\U0001f414", " across."))
    provider.answers = [streams(*(body[place : place + 1] for place in range(len(body))))]
    async with connected(provider) as model:
        answer = await receive(model)
    assert (answer.text, answer.failure) == ("To get \U0001f414 across.", None)


async def test_an_answer_may_end_without_done(provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("Hello")[:-1])]
    async with connected(provider) as model:
        answer = await receive(model)
    assert (answer.text, answer.failure) == ("Hello", None)


async def test_the_answer_ends_at_done(provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("Hello"), asyncio.Event())]
    async with connected(provider) as model:
        answer = await receive(model)
        assert (answer.text, answer.failure) == ("Hello", None)
        await until(lambda: provider.disconnects == 1)


async def test_one_model_gives_many_answers_at_once(provider: Provider) -> None:
    everyone = asyncio.Event()
    provider.answers = [streams(*text_chunks("Hello")[:1], everyone, *text_chunks(" you")) for _ in range(150)]
    async with connected(provider) as model:
        answers = [asyncio.create_task(receive(model)) for _ in range(150)]
        await until(lambda: len(provider.requests) == 150)
        everyone.set()
        assert {answer.text for answer in await asyncio.gather(*answers)} == {"Hello you"}


async def test_closing_an_answer_closes_the_connection(provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("Hello")[:1], asyncio.Event())]
    async with connected(provider) as model:
        answer = model.stream(PROMPT)
        await anext(answer)
        assert provider.disconnects == 0
        await answer.aclose()
        await until(lambda: provider.disconnects == 1)


@pytest.mark.parametrize("has_started", [False, True], ids=["before the first byte", "in mid-stream"])
async def test_cancelling_the_reader_closes_the_connection(provider: Provider, has_started: bool) -> None:
    provider.answers = [streams(*text_chunks("Hello")[: int(has_started)], asyncio.Event())]
    async with connected(provider) as model:
        listener = asyncio.create_task(receive(model))
        await until(lambda: len(provider.requests) == 1)
        listener.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listener
        await until(lambda: provider.disconnects == 1)


async def test_a_model_can_be_asked_again_after_a_failure(provider: Provider) -> None:
    provider.answers = [refuses(400, {"error": {"message": "no"}}), streams(*text_chunks("Hello"))]
    async with connected(provider) as model:
        assert (await receive(model)).code == "model_rejected"
        assert (await receive(model)).text == "Hello"


async def test_a_run_records_the_requested_model_name(provider: Provider) -> None:
    async with connected(provider) as model:
        assert model.name("gpt-5-mini") == "gpt-5-mini"


@pytest.mark.parametrize("set_", [{"openai_api_key": SecretStr(KEY)}, {"openai_base_url": "http://localhost:1/v1"}])
async def test_a_key_or_a_base_url_chooses_the_real_model(set_: dict[str, Any]) -> None:
    with_provider = settings(Path(), **set_)
    model = connect_model(ModelLibrary(with_provider), with_provider)
    assert isinstance(model, OpenAIModel)
    await model.close()


async def test_without_key_and_base_url_the_practice_model_answers() -> None:
    assert isinstance(connect_model(ModelLibrary(settings(Path())), settings(Path())), Practice)


async def test_all_requests_have_the_head_of_the_first(provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("Hello"))]
    async with connected(provider) as model:
        await receive(model)
        await receive(model, Prompt("m", [{"role": "user", "content": "a longer question"}], [TOOL]))
    first, second = ({**asked.headers, "content-length": ""} for asked in provider.requests)
    assert first == second
    assert first["user-agent"].startswith("AsyncOpenAI/Python")


async def test_a_redirect_is_followed(provider: Provider) -> None:
    async with Provider([streams(*text_chunks("Over here"))]) as new:
        provider.answers = [refuses(307, {}, {"location": f"{new.url}/chat/completions"})]
        async with connected(provider) as model:
            answers = [await receive(model), await receive(model)]
    assert [answer.text for answer in answers] == ["Over here", "Over here"]
    extra_requests = 1 if provider.is_known else 0  # a replayed request is repeated by the SDK, which follows redirects
    assert len(provider.requests) == 2 + extra_requests, "a 307 is for one request (RFC 9110 §15.4.8)"
    assert [request.body["stream"] for request in new.requests] == [True, True]
