"""The assistants, the service's health, and its pages (docs/http-api.md)."""

import pytest

from chatkeep.db import Transaction
from tests.service import Service

pytestmark = pytest.mark.anyio


async def test_the_assistants_say_what_they_can_do(service: Service) -> None:
    answer = await service.client.get("/api/assistants")
    assert answer.status_code == 200
    page = answer.json()
    assert set(page) == {"data", "next"}
    assert page["next"] is None
    (default,) = [assistant for assistant in page["data"] if assistant["name"] == "default"]
    assert set(default) == {"name", "description", "model", "tools", "instructions"}
    assert default["description"]
    assert {tool["name"]: tool["kind"] for tool in default["tools"]} == {
        "explain_joke": "reply",
        "detect_sarcasm": "reply",
        "tell_joke": "reply",
    }
    for tool in default["tools"]:
        assert set(tool) == {"name", "description", "parameters", "kind"}
        assert tool["description"]
    fields = {tool["name"]: set(tool["parameters"]["properties"]) for tool in default["tools"]}
    assert fields == {
        "explain_joke": {"setup", "premise", "punchline"},
        "detect_sarcasm": {"quote", "score"},
        "tell_joke": {"text"},
    }


async def test_the_service_is_alive_and_ready(service: Service) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await service.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert set(answer.json()) == {"status", "checks"}
        assert answer.json()["status"] == "ok"


async def test_a_draining_service_is_alive_but_not_ready(service: Service) -> None:
    service.runtime.is_draining = True
    assert (await service.client.get("/healthz")).status_code == 200
    answer = await service.client.get("/readyz")
    assert answer.status_code == 503
    assert set(answer.json()) == {"status", "checks"}
    assert answer.json()["status"] != "ok"


async def test_a_service_without_its_database_is_alive_but_not_ready(service: Service) -> None:
    async def hide(tx: Transaction) -> None:
        await tx.run("ALTER TABLE schema_migrations RENAME TO hidden")

    await service.runtime.db.transaction(hide)
    assert (await service.client.get("/healthz")).status_code == 200
    answer = await service.client.get("/readyz")
    assert answer.status_code == 503
    assert set(answer.json()) == {"status", "checks"}


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_browser_gets_the_page(service: Service, path: str) -> None:
    answer = await service.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.lstrip().lower().startswith("<!doctype html>")
