"""The OpenAPI document agrees with docs/http-api.md."""

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.service import Service

pytestmark = pytest.mark.anyio

CLAIM = {"200", "202", "404", "409", "410", "413", "422", "429", "503"}
OPERATIONS = {
    ("post", "/api/sessions"): {"200", "201", "409", "413", "422"},
    ("get", "/api/sessions"): {"200", "422"},
    ("get", "/api/sessions/{session_id}"): {"200", "404"},
    ("patch", "/api/sessions/{session_id}"): {"200", "404", "409", "413", "422"},
    ("delete", "/api/sessions/{session_id}"): {"204", "404"},
    ("post", "/api/sessions/{session_id}/messages"): CLAIM,
    ("get", "/api/sessions/{session_id}/messages"): {"200", "404", "422"},
    ("post", "/api/sessions/{session_id}/runs"): CLAIM,
    ("get", "/api/sessions/{session_id}/events"): {"200", "400", "404", "410"},
    ("get", "/api/events"): {"200"},
    ("get", "/api/messages/{message_id}"): {"200", "404"},
    ("get", "/api/runs/{run_id}"): {"200", "404"},
    ("get", "/api/runs/{run_id}/events"): {"200", "204", "400", "404", "410"},
    ("post", "/api/runs/{run_id}/cancel"): {"200", "202", "404"},
    ("get", "/api/models"): {"200"},
    ("get", "/api/assistants"): {"200"},
    ("get", "/healthz"): {"200"},
    ("get", "/readyz"): {"200", "503"},
}
CODES = {
    "not_found", "invalid_request", "model_not_allowed", "body_too_large", "id_taken", "session_busy",
    "idempotency_mismatch", "bad_position", "events_expired", "shutting_down", "too_many_runs", "database_unavailable",
}  # fmt: skip
STREAMS = [
    ("post", "/api/sessions/{session_id}/messages"),
    ("post", "/api/sessions/{session_id}/runs"),
    ("get", "/api/sessions/{session_id}/events"),
    ("get", "/api/runs/{run_id}/events"),
]


@pytest.fixture
async def document(service: Service) -> dict[str, Any]:
    answer = await service.client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a document."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        yield fields
        for each in fields.values():
            yield from walk(each)
    elif isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from walk(each)


def resolve(document: dict[str, Any], reference: str) -> Any:
    """Return the target of a `$ref`. Raises KeyError if there is none."""
    root, *path = reference.split("/")
    assert root == "#"
    found: Any = document
    for name in path:
        found = found[name.replace("~1", "/").replace("~0", "~")]
    return found


async def test_every_route_is_there_with_its_answers(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.")
    for (method, path), statuses in OPERATIONS.items():
        responses = document["paths"][path][method]["responses"]
        assert statuses <= set(responses), (method, path)
        for status, response in responses.items():
            assert response["description"], (method, path, status)


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = {each["$ref"] for each in walk(document) if isinstance(each.get("$ref"), str)}
    assert references
    for reference in references:
        assert resolve(document, reference)
    for each in walk(document):
        mapping = cast("dict[str, str]", cast("dict[str, Any]", each.get("discriminator") or {}).get("mapping", {}))
        for reference in mapping.values():
            assert resolve(document, reference)


async def test_every_error_is_a_problem_document_with_its_codes(document: dict[str, Any]) -> None:
    codes: set[str] = set()
    for method, path in OPERATIONS:
        for status, response in document["paths"][path][method]["responses"].items():
            if status < "400" or path == "/readyz":
                continue
            assert list(response["content"]) == ["application/problem+json"], (method, path, status)
            schema = response["content"]["application/problem+json"]["schema"]
            assert resolve(document, schema["$ref"])["required"] == ["type", "title", "status", "detail", "code"]
            codes |= set(response["description"].split(", "))
    assert codes >= CODES


async def test_the_streams_are_streams_of_events(document: dict[str, Any]) -> None:
    for method, path in STREAMS:
        content = document["paths"][path][method]["responses"]["200"]["content"]
        assert len(content) == (1 if method == "get" else 2)  # a message may be answered with JSON, too
        event = resolve(document, content["text/event-stream"]["schema"]["$ref"])
        kinds = {
            resolve(document, variant["$ref"])["properties"]["type"]["enum"][0]
            for variant in event.get("anyOf") or event["oneOf"]
        }
        assert {"run.started", "text.delta", "reasoning.delta", "refusal.delta", "step.started"} <= kinds
        assert {"tool_call.started", "tool_call.delta", "tool_call.ready", "tool_call.running"} <= kinds
        assert {"tool_call.finished", "run.waiting", "run.resumed", "run.finished"} <= kinds


async def test_the_stream_of_a_session_has_more(document: dict[str, Any]) -> None:
    of_run, of_session = (document["components"]["schemas"][name] for name in ("Event", "SessionEvent"))
    added = {"session.updated", "session.deleted"}
    assert of_session["discriminator"]["mapping"].keys() == of_run["discriminator"]["mapping"].keys() | added
    for reference in of_run["discriminator"]["mapping"].values():
        event = resolve(document, reference)
        assert "run_id" in event["properties"]
        assert "run_id" not in event["required"]


async def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert {"send_message", "follow_run_events", "follow_session_events", "ai_sdk_chat"} <= set(names)
    assert [name for name in names if not re.fullmatch("[a-z_]+", name)] == []


async def test_the_nouns_have_their_fields(document: dict[str, Any]) -> None:
    from tests.api.shapes import ANSWER, MESSAGE, RUN, SESSION

    nouns = {"Session": SESSION, "Message": MESSAGE, "Run": RUN, "RunAnswer": ANSWER}
    for name, fields in nouns.items():
        schema = document["components"]["schemas"][name]
        optional = {"client_id", "claimed"} if name == "Message" else set[str]()
        assert set(schema["properties"]) - optional == set(schema["required"]) == fields


async def test_bodies_forbid_unknown_fields(document: dict[str, Any]) -> None:
    for method, path in OPERATIONS:
        body = document["paths"][path][method].get("requestBody")
        if body is not None:
            assert list(body["content"]) == ["application/json"]
            bodies = [each["$ref"] for each in walk(body) if "$ref" in each]
            assert all(resolve(document, each)["additionalProperties"] is False for each in bodies)


async def test_the_headers_of_the_api_are_parameters(document: dict[str, Any]) -> None:
    def headers(method: str, path: str) -> set[str]:
        parameters = document["paths"][path][method].get("parameters", [])
        return {each["name"].lower() for each in parameters if each["in"] == "header"}

    for path in ("/api/sessions/{session_id}/messages", "/api/sessions/{session_id}/runs"):
        assert {"idempotency-key", "prefer"} <= headers("post", path)
    for path in ("/api/sessions/{session_id}/events", "/api/runs/{run_id}/events"):
        assert "last-event-id" in headers("get", path)
