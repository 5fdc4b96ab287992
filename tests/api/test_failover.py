"""A provider that dies in mid-sentence, over HTTP: the next model goes on, and the stream shows the seam."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from chatkeep.llm.circuit import FAILURES_TO_OPEN
from tests.models import write_models
from tests.provider import Provider, refuses, streams, text_chunks
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

HALF, REST = text_chunks("To get to the oth")[:1], text_chunks("er side.")
SEAM = {"type": "handover", "from": "fast", "to": "local", "reason": "model_unavailable"}


@pytest.fixture
async def backup() -> AsyncGenerator[Provider]:
    async with Provider([streams(*REST)]) as provider:
        yield provider


@pytest.fixture
async def service(provider: Provider, backup: Provider, tmp_path: Path) -> AsyncGenerator[Service]:
    models = {
        "fast": 'provider = "one"\nmodel = "gpt"\nfallback = ["local"]\n',
        "local": 'provider = "two"\nmodel = "qwen"\nprefill = "assistant"\n',
    }
    path = write_models(tmp_path, models, one=provider, two=backup)
    async with serving(settings(tmp_path, models=path, model="fast", model_retries=0)) as running:
        yield running


async def test_an_answer_survives_its_provider(service: Service, provider: Provider, backup: Provider) -> None:
    provider.answers = [streams(*HALF, end=False)]
    done = await service.send(await service.session(), "Why did it cross the road?")
    assert done["run"]["status"] == "completed"
    texts = [{"type": "text", "text": "To get to the oth"}, SEAM, {"type": "text", "text": "er side."}]
    assert done["message"]["parts"] == texts
    assert backup.requests[0].body["messages"][-1] == {"role": "assistant", "content": "To get to the oth"}
    stored = (await service.client.get(f"/api/messages/{done['message']['id']}")).json()
    assert stored == done["message"]
    (found,) = (await service.client.get("/api/search", params={"q": "other side"})).json()["data"]
    assert found["message_id"] == done["message"]["id"], "a word that was cut is found whole"


async def test_a_provider_that_cannot_be_reached_is_silently_replaced(service: Service, provider: Provider) -> None:
    provider.answers = [refuses(503, {"error": {"message": "overloaded"}})]
    done = await service.send(await service.session(), "Why?")
    assert done["message"]["parts"] == [{"type": "text", "text": "er side."}]
    assert done["run"]["usage"] == done["run"]["usage"] | {"input_tokens": 9, "output_tokens": 3, "estimated": False}


async def test_a_dead_provider_is_not_asked_by_every_turn(service: Service, provider: Provider) -> None:
    provider.answers = [refuses(503, {"error": {"message": "overloaded"}})]
    for _ in range(FAILURES_TO_OPEN + 4):
        await service.send(await service.session(), "Why?")
    assert len(provider.requests) == FAILURES_TO_OPEN


async def test_the_next_message_is_sent_to_the_first_model(
    service: Service, provider: Provider, backup: Provider
) -> None:
    provider.answers = [streams(*HALF, end=False), streams(*text_chunks("Bye."))]
    session = await service.session()
    await service.send(session, "Why?")
    done = await service.send(session, "Bye!")
    sent: list[dict[str, Any]] = provider.requests[-1].body["messages"]
    assert sent[-2:] == [
        {"role": "assistant", "content": "To get to the other side."},
        {"role": "user", "content": "Bye!"},
    ]
    assert (done["run"]["status"], len(backup.requests)) == ("completed", 1)
