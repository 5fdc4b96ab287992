"""What all of `/v1` has in common: its models, and errors in OpenAI's form (docs/dialects.md)."""

import re
from pathlib import Path

import openai
import pytest
from openai.types import CompletionUsage
from openai.types.responses import ResponseUsage

from chatkeep.api.dialects.openai_usage import completion_usage, response_usage
from chatkeep.chat.types import Usage
from tests.api.tables import nothing_stored
from tests.api.test_middleware import ORIGIN
from tests.dialects.openai import openai_client, openai_error
from tests.needs import NPM, npm_program
from tests.script import Script
from tests.service import Service, serving, settings
from tests.sign_in.test_ways_in import PROXY

pytestmark = pytest.mark.anyio


async def test_models_and_assistants_are_listed(service: Service) -> None:
    async with openai_client(service) as client:
        models = {each.id: each async for each in await client.models.list()}
        assert models[service.runtime.settings.model].owned_by == "practice"
        assert models["assistant:counsel"].owned_by == "chatkeep"
        assert (await client.models.retrieve("assistant:counsel")).id == "assistant:counsel"
        with pytest.raises(openai.NotFoundError, match="no model a/b") as refused:
            await client.models.retrieve("a/b")
    assert (refused.value.code, refused.value.type, refused.value.param) == ("not_found", "invalid_request_error", None)


async def test_every_error_has_openai_s_form(service: Service) -> None:
    client = service.client
    async with nothing_stored(service):
        unknown = await client.get("/v1/nothing")
        assert (unknown.status_code, openai_error(unknown.json())["code"]) == (404, "not_found")
        method = await client.delete("/v1/models")
        assert (method.status_code, openai_error(method.json())["code"]) == (405, "invalid_request")
        assert "GET" in method.headers["allow"]
        form = await client.post("/v1/models", content=b"a=b", headers={"content-type": "text/plain"})
        assert (form.status_code, openai_error(form.json())["code"]) == (415, "unsupported_media_type")
        other = await client.get("/v1/models", headers={"host": "evil.example"})
        assert (other.status_code, openai_error(other.json())["code"]) == (400, "bad_host")
    for answer in (unknown, method, form, other):
        assert answer.headers["content-type"] == "application/json"
        assert openai_error(answer.json())["request_id"] == answer.headers["x-request-id"]
    elsewhere = await client.get("/api/nothing")
    assert elsewhere.headers["content-type"] == "application/problem+json"


async def test_a_body_beyond_the_limit(tmp_path: Path, script: Script) -> None:
    async with serving(settings(tmp_path, max_dialect_bytes=1000), script) as service:
        answer = await service.client.post("/v1/models", json={"text": "x" * 2000})
        assert (answer.status_code, openai_error(answer.json())["code"]) == (413, "body_too_large")


async def test_pages_elsewhere_may_use_openai_s_sdk(tmp_path: Path, script: Script) -> None:
    """All headers that the SDK names in its source are allowed, and it may read those by which it repeats a request."""
    npm_program("openai", "package.json")
    source = "".join(path.read_text() for path in (NPM / "node_modules" / "openai").rglob("*.mjs"))
    names = {name.lower() for name in re.findall(r"""['"]((?:X-Stainless|OpenAI)-[A-Za-z-]+)['"]""", source)}
    names = names - {"openai-poll-after-ms"} | {"authorization", "content-type", "idempotency-key"}
    assert {"x-stainless-lang", "x-stainless-timeout", "openai-beta"} <= names
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": ",".join(sorted(names))}
    async with serving(settings(tmp_path, cors_origins=(ORIGIN,)), script) as service:
        for path in ("/v1/responses", "/v1/files", "/api/chat", "/agui"):
            answer = await service.client.options(path, headers={"origin": ORIGIN, **preflight})
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
            assert names <= set(answer.headers["access-control-allow-headers"].lower().split(", "))
            other = await service.client.options(path, headers={"origin": "https://evil.example", **preflight})
            assert "access-control-allow-origin" not in other.headers
        body = {"model": "gpt-5-mini", "input": "hi"}
        answer = await service.client.post("/v1/responses", json=body, headers={"origin": ORIGIN})
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        assert {"retry-after", "x-request-id", "x-should-retry"} <= set(exposed)


async def test_who_has_not_signed_in_is_refused(tmp_path: Path, script: Script) -> None:
    async with serving(settings(tmp_path, **PROXY), script) as service, openai_client(service) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.models.list()
    assert (refused.value.code, refused.value.type) == ("unauthenticated", "authentication_error")


def test_the_tokens_of_a_run_in_both_forms() -> None:
    usage = Usage(input_tokens=10, output_tokens=7, cached_input_tokens=4, reasoning_tokens=3)
    assert CompletionUsage.model_validate(completion_usage(usage), strict=True).total_tokens == 17
    response = ResponseUsage.model_validate(response_usage(usage), strict=True)
    assert (response.total_tokens, response.input_tokens_details.cached_tokens) == (17, 4)
    assert response.output_tokens_details.reasoning_tokens == 3
