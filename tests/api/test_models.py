"""The models of the file over HTTP: listed, asked for, and refused (docs/models.md)."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from chatkeep.errors import CannotStart
from chatkeep.runs.startup import open_runtime
from tests.api.shapes import problem
from tests.models import PLAIN, write_models
from tests.provider import Provider, streams, text_chunks
from tests.script import Script
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

PRICED = PLAIN + 'context_tokens = 9000\ninput = ["text", "image"]\nprice = {input = 0.25, output = 2}\n'
URL = 'base_url = "http://127.0.0.1:9/v1"'
KNOWN = "there is no model 'big'; known: fast, small"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_models(tmp_path, {"small": PLAIN, "fast": PRICED}, one=URL)


@pytest.fixture
async def listed(path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service with a models file, answered by `script`."""
    async with serving(settings(path.parent, models=path, model="fast", currency="NOK"), script) as service:
        yield service


async def test_the_models_are_listed(listed: Service) -> None:
    answer = await listed.client.get("/api/models")
    assert answer.status_code == 200
    price = {"input": 0.25, "cached_input": None, "output": 2.0, "currency": "NOK"}
    assert answer.json() == {
        "data": [
            {"name": "fast", "provider": "one", "context_tokens": 9000, "input": ["text", "image"], "price": price},
            {"name": "small", "provider": "one", "context_tokens": 128_000, "input": ["text"], "price": None},
        ],
        "next": None,
    }


async def test_without_a_file_the_default_model_is_listed(tmp_path: Path, script: Script) -> None:
    async with serving(settings(tmp_path, openai_api_key=SecretStr("k")), script) as service:
        (only,) = (await service.client.get("/api/models")).json()["data"]
        assert (only["name"], only["provider"], only["price"]) == ("gpt-5-mini", "api.openai.com", None)
        assert (await service.send(await service.session(model="any"), "Hi"))["run"]["model"] == "any"


async def test_head_is_answered_as_for_other_routes(listed: Service) -> None:
    answers = [await listed.client.head(path) for path in ("/api/models", "/api/assistants")]
    assert answers[0].status_code == answers[1].status_code


async def test_an_unlisted_model_is_refused(listed: Service, script: Script) -> None:
    session = await listed.session(model="small")
    sent = await listed.send(session, "Hi")
    again = {"message_id": sent["user_message"]["id"], "model": "big"}
    url = f"/api/sessions/{session}"
    for answer in (
        await listed.client.post("/api/sessions", json={"model": "big"}),
        await listed.client.patch(url, json={"model": "big"}),
        await listed.client.post(f"{url}/messages", json={"content": "Hi", "model": "big"}),
        await listed.client.post(f"{url}/runs", json=again),
    ):
        assert problem(answer, 422, "model_not_allowed")["detail"] == f"model: {KNOWN}"
    assert (await listed.client.get(url)).json()["model"] == "small"
    assert (await listed.client.get(url)).json()["message_count"] == 2
    assert [prompt.model for prompt in script.prompts] == ["small"]


async def test_a_repeat_comes_before_the_refusal(listed: Service, path: Path) -> None:
    session, headers = await listed.session(), {"idempotency-key": "k", "accept": "application/json"}
    body = {"content": "Hi", "model": "small"}
    first = await listed.client.post(f"/api/sessions/{session}/messages", json=body, headers=headers)
    write_models(path.parent, {"fast": PLAIN}, one=URL)
    await listed.runtime.models.refresh()
    again = await listed.client.post(f"/api/sessions/{session}/messages", json=body, headers=headers)
    assert (again.status_code, again.json()["run"]["id"]) == (200, first.json()["run"]["id"])


async def test_a_session_whose_model_has_left_is_mended(listed: Service, path: Path, script: Script) -> None:
    session = await listed.session(model="small")
    url = f"/api/sessions/{session}"
    write_models(path.parent, {"fast": PLAIN}, one=URL)
    await listed.runtime.models.refresh()
    said = problem(await listed.client.post(f"{url}/messages", json={"content": "Hi"}), 422, "model_not_allowed")
    refusal = "there is no model 'small'; known: fast"
    assert said["detail"] == f"the session's model must be changed (PATCH): {refusal}"
    assert (await listed.client.patch(url, json={"title": "T"})).json()["model"] == "small"
    assert (await listed.send(session, "Hi", model="fast"))["run"]["model"] == "fast"
    assert (await listed.client.patch(url, json={"model": None})).status_code == 200
    assert (await listed.send(session, "Hi"))["run"]["model"] == "fast"
    assert [prompt.model for prompt in script.prompts] == ["fast", "fast"]


async def test_an_assistant_s_model_is_one_of_the_file(path: Path) -> None:
    folder = path.parent / "assistants"
    folder.mkdir()
    file = folder / "cook.md"
    file.write_text("---\nname: cook\ndescription: Cooks.\nmodel: big\n---\nYou cook.\n")
    with_cook = settings(path.parent, models=path, model="fast", assistants_dir=folder, assistant="cook")
    with pytest.raises(CannotStart) as refused:
        async with open_runtime(with_cook, Script()):
            pass
    assert str(refused.value) == f"cook.md:4: {KNOWN}"
    file.write_text(file.read_text().replace("big", "small"))
    async with serving(with_cook, Script()) as service:
        session = await service.session()
        write_models(path.parent, {"fast": PLAIN}, one=URL)
        await service.runtime.models.refresh()
        sent = await service.client.post(f"/api/sessions/{session}/messages", json={"content": "Hi"})
        detail = "the assistant's model: there is no model 'small'; known: fast"
        assert problem(sent, 422, "model_not_allowed")["detail"] == detail


async def test_a_wrong_change_is_shown_and_not_used(listed: Service, path: Path) -> None:
    write_models(path.parent, {"fast": ""}, one=URL)
    await listed.runtime.models.refresh()
    ready = await listed.client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["models"]) == (
        200,
        "models.toml:1: models.fast.provider: Field required",
    )
    assert len((await listed.client.get("/api/models")).json()["data"]) == 2


async def test_a_run_has_the_name_of_the_file(provider: Provider, tmp_path: Path) -> None:
    provider.answers = [streams(*text_chunks("Hello"))]
    path = write_models(tmp_path, {"fast": PLAIN}, one=provider)
    async with serving(settings(tmp_path, models=path, model="fast")) as service:
        sent = await service.send(await service.session(), "Hi")
    assert (sent["run"]["status"], sent["run"]["model"]) == ("completed", "fast")
    assert provider.requests[0].body["model"] == "upstream"


async def test_the_context_is_that_of_the_model(provider: Provider, tmp_path: Path) -> None:
    path = write_models(tmp_path, {"fast": PLAIN, "tiny": PLAIN + "context_tokens = 10\n"}, one=provider)
    provider.answers = [streams(*text_chunks("Hello"))]
    async with serving(settings(tmp_path, models=path, model="fast")) as service:
        session = await service.session()
        assert (await service.send(session, "Hi"))["run"]["status"] == "completed"
        failed = (await service.send(session, "Hi", model="tiny"))["run"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "context_overflow")


async def test_a_waiting_run_whose_model_has_left_fails(provider: Provider, tmp_path: Path) -> None:
    asks = {"index": 0, "id": "c", "type": "function", "function": {"name": "pick", "arguments": "{}"}}
    chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [asks]}, "finish_reason": "tool_calls"}]}
    provider.answers = [streams(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())]
    path = write_models(tmp_path, {"fast": PLAIN, "small": PLAIN}, one=provider)
    tool: dict[str, Any] = {"name": "pick", "description": "Pick.", "parameters": {"type": "object"}}
    async with serving(settings(tmp_path, models=path, model="fast")) as service:
        session = await service.session(model="small")
        waiting = await service.send(session, "Hi", tools=[tool])
        assert waiting["run"]["status"] == "requires_action"
        write_models(tmp_path, {"fast": PLAIN}, one=provider)
        await service.runtime.models.refresh()
        outputs = {"outputs": [{"call_id": "c", "output": 1}]}
        url, headers = f"/api/runs/{waiting['run']['id']}/tool-outputs", {"accept": "application/json"}
        ended = (await service.client.post(url, json=outputs, headers=headers)).json()["run"]
    assert (ended["status"], ended["error"]["code"]) == ("failed", "model_rejected")
    assert ended["error"]["message"] == "there is no model 'small' any more"
