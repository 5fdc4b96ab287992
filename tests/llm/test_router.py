"""`ModelRouter`: each prompt goes to the provider of its model, over connections that last as long as it does."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatkeep.chat.model_call import CallPrice
from chatkeep.errors import ModelAuth, ModelRejected
from chatkeep.llm import ModelInfo, Prompt, connect_model
from chatkeep.llm.model_library import ModelLibrary
from chatkeep.llm.router import ModelRouter
from tests.llm.asking import connected, receive, until
from tests.models import PLAIN, write_models
from tests.provider import Provider, ProviderRequest, refuses, streams, text_chunks
from tests.service import settings

pytestmark = pytest.mark.anyio

HELLO = streams(*text_chunks("Hello"))


def ask(model: str) -> Prompt:
    return Prompt(model, [{"role": "user", "content": "why?"}], [])


@asynccontextmanager
async def routing(path: Path) -> AsyncGenerator[tuple[ModelRouter, ModelLibrary]]:
    its_settings = settings(path.parent, models=path, model="fast", model_retries=0)
    library = ModelLibrary(its_settings)
    router = connect_model(library, its_settings)
    assert isinstance(router, ModelRouter)
    try:
        yield router, library
    finally:
        await router.close()


@pytest.fixture
async def other() -> AsyncGenerator[Provider]:
    async with Provider([streams(*text_chunks("Bonjour"))]) as provider:
        yield provider


async def test_each_model_is_asked_of_its_provider(provider: Provider, other: Provider, tmp_path: Path) -> None:
    provider.answers = [HELLO]
    (tmp_path / "key").write_text("sesame\n")
    lines = 'provider = "two"\nmodel = "big-1"\ncontext_tokens = 7\nprice = {input = 0.5, output = 2}\n'
    models = {"fast": PLAIN, "big": f'{lines}params = {{seed = 3, temperature = 0.1}}\nomit = ["stream_options"]\n'}
    two = f'base_url = "{other.url}"\napi_key = "file:{tmp_path / "key"}"'
    async with routing(write_models(tmp_path, models, one=provider, two=two)) as (router, _):
        assert (await receive(router, ask("fast"))).text == "Hello"
        assert (await receive(router, ask("big")._replace(params={"temperature": 0.9, "stop": "x"}))).text == "Bonjour"
        assert router.describe("fast") == ModelInfo("127.0.0.1", "upstream", label="one")
        assert router.describe("big") == ModelInfo("127.0.0.1", "big-1", 7, CallPrice(0.5, 0.5, 2), "two")
        assert router.name("big") == "big"
    (first,), (second,) = provider.requests, other.requests
    assert first.body["model"] == "upstream"
    assert second.headers["authorization"] == "Bearer sesame"
    messages = ask("").messages
    assert second.body == {
        "model": "big-1", "messages": messages, "stream": True, "seed": 3, "temperature": 0.9, "stop": "x",
    }  # fmt: skip


async def test_a_model_that_has_left_the_file_fails(provider: Provider, tmp_path: Path) -> None:
    async with routing(write_models(tmp_path, {"fast": PLAIN}, one=provider)) as (router, _):
        assert (await receive(router, ask("gone"))).code == "model_rejected"
        with pytest.raises(ModelRejected, match="there is no model 'gone' any more"):
            router.describe("gone")


async def test_a_provider_that_stays_keeps_its_connections(provider: Provider, tmp_path: Path) -> None:
    provider.answers = [HELLO]
    path = write_models(tmp_path, {"fast": PLAIN}, one=provider)
    async with routing(path) as (router, library):
        await receive(router, ask("fast"))
        connection = provider.connections
        write_models(tmp_path, {"fast": PLAIN.replace("one", "uno"), "new": PLAIN.replace("one", "uno")}, uno=provider)
        await library.refresh()
        await receive(router, ask("new"))
        assert provider.connections == connection
        assert len(connection) == 1


async def test_a_removed_provider_is_left_when_unused(provider: Provider, other: Provider, tmp_path: Path) -> None:
    more = asyncio.Event()
    first, *rest = text_chunks("To get ", "across.")
    provider.answers = [HELLO, streams(first, more, *rest)]
    path = write_models(tmp_path, {"fast": PLAIN}, one=provider)
    async with routing(path) as (router, library):
        await receive(router, ask("fast"))
        listener = asyncio.create_task(receive(router, ask("fast")))
        await until(lambda: len(provider.requests) == 2)
        write_models(tmp_path, {"fast": PLAIN}, one=other)
        await library.refresh()
        assert (await receive(router, ask("fast"))).text == "Bonjour"
        assert provider.connections, "its answer is still being made"
        more.set()
        assert (await listener).text == "To get across."
        await until(lambda: not provider.connections)
        write_models(tmp_path, {"fast": PLAIN}, one=provider)
        await library.refresh()
        await until(lambda: not other.connections)


def wants(key: str) -> "Provider":
    async def answer(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        is_right = request.headers["authorization"] == f"Bearer {key}"
        await (HELLO if is_right else refuses(401, {"error": {"message": "Incorrect API key"}}))(request, writer)

    return Provider([answer])


@pytest.mark.parametrize("is_known", [False, True])
async def test_a_refused_key_is_read_again(tmp_path: Path, is_known: bool) -> None:
    key = tmp_path / "key"
    key.write_text("old")
    async with wants("new") as provider:
        right = provider.answers
        lines = f'base_url = "{provider.url}"\napi_key = "file:{key}"'
        async with routing(write_models(tmp_path, {"fast": PLAIN}, one=lines)) as (router, _):
            if is_known:
                provider.answers = [HELLO]
                await receive(router, ask("fast"))
                provider.answers = right
            assert (await receive(router, ask("fast"))).code == "model_auth"
            key.write_text("new\n")
            answers = await asyncio.gather(*(receive(router, ask("fast")) for _ in range(10)))
            assert {each.text for each in answers} == {"Hello"}
            count = len(provider.requests)
            assert (await receive(router, ask("fast"))).text == "Hello"
    assert len(provider.requests) == count + 1


async def test_a_key_that_is_gone_is_a_failed_run(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("old")
    async with wants("new") as provider:
        lines = f'base_url = "{provider.url}"\napi_key = "file:{key}"'
        path = write_models(tmp_path, {"fast": PLAIN}, one=lines)
        async with routing(path) as (router, _):
            router.describe("fast")
            key.unlink()
            assert (await receive(router, ask("fast"))).code == "model_auth"
        assert len(provider.requests) == 1
        key.write_text("old")
        async with routing(path) as (router, _):
            key.unlink()
            with pytest.raises(ModelAuth, match="the provider's key cannot be read: cannot read "):
                router.describe("fast")


async def test_the_key_of_the_settings_may_be_in_a_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("old")
    async with wants("new") as provider, connected(provider, openai_api_key_file=key) as model:
        key.write_text("new\n")
        assert (await receive(model)).text == "Hello"
        assert len(provider.requests) == 2
