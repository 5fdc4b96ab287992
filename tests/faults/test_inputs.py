"""Any input: no internal error, only documented responses, and accepted values are returned unchanged."""

import asyncio
import json
import re
from typing import Any, TypeAlias

import httpx2
import pytest
import schemathesis.checks
import schemathesis.openapi
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks as openapi_checks

from tests.api.shapes import problem
from tests.api.streams import text_of
from tests.service import Service

pytestmark = pytest.mark.anyio

Json: TypeAlias = dict[str, Any]

STREAMS = ["/api/events", "/api/runs/{run_id}/events", "/api/sessions/{session_id}/events"]
SERVER: Any = schemathesis.checks
KNOWN: Any = openapi_checks  # the checks are generic in what a transport is, which is nothing to us
CHECKS: list[Any] = [
    SERVER.not_a_server_error, KNOWN.status_code_conformance, KNOWN.content_type_conformance,
    KNOWN.response_schema_conformance,
]  # fmt: skip
HEALTH: list[Any] = list(HealthCheck)
QUICKLY = settings(
    max_examples=25, phases=[Phase.generate], suppress_health_check=HEALTH, derandomize=True, deadline=None
)


def ids_of_a_chat(client: httpx2.Client) -> dict[str, str]:
    """Return the ids of existing things."""
    session_id = client.post("/api/sessions").json()["id"]
    headers = {"accept": "application/json"}
    answer = client.post(f"/api/sessions/{session_id}/messages", json={"content": "hello"}, headers=headers).json()
    run_id, message_id = answer["run"]["id"], answer["message"]["id"]
    return {"session_id": session_id, "run_id": run_id, "message_id": message_id, "name": "default"}


def check_answer(case: Any, answer: Any, checks: list[Any]) -> None:
    """Check that an answer is one that the OpenAPI document allows."""
    try:
        case.validate_response(answer, checks=checks)
    except BaseExceptionGroup as failures:  # no `Exception`, which an event loop would not survive
        raise AssertionError("\n\n".join(map(str, failures.exceptions))) from None  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # a foreign group


def probe(url: str) -> set[str]:
    """Call every operation with all that its schema allows, for existing and missing ids. Return the statuses."""
    whole: Any = schemathesis.openapi.from_url(f"{url}/openapi.json")
    schema = whole.exclude(path=STREAMS)
    statuses: set[str] = set()
    with httpx2.Client(base_url=url, timeout=30, trust_env=False) as client:
        for found in schema.get_all_operations():
            operation = found.ok()

            @QUICKLY
            @given(case=operation.as_strategy(), is_there=st.booleans())
            def ask(case: Any, is_there: bool) -> None:
                if is_there and case.path_parameters:
                    real = ids_of_a_chat(client)
                    case.path_parameters = {name: real.get(name, given) for name, given in case.path_parameters.items()}
                answer = case.call(base_url=url, timeout=10)
                is_stream = answer.headers.get("content-type", [""])[0].startswith("text/event-stream")
                check_answer(case, answer, CHECKS[:-1] if is_stream else CHECKS)
                statuses.add(f"{case.operation.method} {case.operation.path} {answer.status_code}")

            ask()
    return statuses


async def test_every_response_matches_the_openapi_document(service: Service) -> None:
    statuses = await asyncio.to_thread(probe, service.url)
    # That there was something to look at: what is drawn is chance, but these two come with every seed.
    assert statuses >= {"get /api/sessions/{session_id} 200", "get /api/sessions/{session_id} 404"}


NASTY = [
    "'; DROP TABLE sessions; --", '" OR ""="', "{{7*7}}", "%_\\", "$1", "?1", "\x00", "a\x00b", "\ud800",
    "\udc00\ud800", "\ud83d\ude00", "\u202eright to left\u2066", "שלום", "\u2028\u2029\x85", "\r\n\r\ndata: {}\n\n",
    "\ufeff", "\uffff", "💥" * 200, " ", "", "null", "x" * 200, "x" * 201, "x" * 70_000,
]  # fmt: skip
LETTERS = st.characters(exclude_categories=()) | st.characters(categories=["Cs"]) | st.just("\x00")
TEXT = st.sampled_from(NASTY) | st.text(LETTERS, max_size=300)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXT, children, max_size=4),
    max_leaves=10,
)
METADATA = st.dictionaries(TEXT, TEXT, max_size=4)
SESSION = {"id": ANY, "title": TEXT | ANY, "assistant": TEXT | ANY, "model": TEXT | ANY, "metadata": METADATA | ANY}
TOOL = st.fixed_dictionaries({}, optional={"name": TEXT, "description": TEXT | ANY, "parameters": ANY})
MESSAGE = {"parent_id": ANY, "on_busy": TEXT | ANY, "model": TEXT | ANY, "tools": ANY | st.lists(TOOL, max_size=3)}
SEARCH = settings(QUICKLY, max_examples=80)


def as_stored(value: Any) -> Any:
    """Return a value as it is stored: surrogate pairs as their character, NUL and lone halves as U+FFFD."""
    if isinstance(value, dict):
        return {as_stored(name): as_stored(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType]  # JSON
    if not isinstance(value, str):
        return value
    pairs = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
    joined = pairs.sub(lambda pair: chr(0x10000 + (ord(pair[1]) - 0xD800 << 10) + ord(pair[2]) - 0xDC00), value)
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", joined)


def send(client: httpx2.Client, method: str, path: str, body: Any) -> Json | None:
    """Send a body, and return the answer's JSON; None if it is refused as invalid."""
    headers = {"content-type": "application/json", "accept": "application/json"}
    answer = client.request(method, path, content=json.dumps(body).encode(), headers=headers)
    if answer.status_code < 300:
        return answer.json()
    more = ["errors"] if "errors" in answer.json() else []
    problem(answer, 422, "invalid_request", *more)
    return None


def optional(fields: dict[str, Any]) -> st.SearchStrategy[Json]:
    """Generate bodies with one or more of these fields."""
    each = [st.fixed_dictionaries({name: values}) for name, values in fields.items()]
    return st.one_of(each) | st.fixed_dictionaries({}, optional=fields)


def say_anything(url: str) -> set[str]:
    """Send any value in every field of every body. Return the fields that were accepted at least once."""
    accepted: set[str] = set()
    with httpx2.Client(base_url=url, timeout=30, trust_env=False) as client:

        def same(body: Json, answer: Json | None) -> None:
            if answer is not None:
                assert client.get(f"/api/sessions/{answer['id']}").json() == answer
                for name, value in body.items():
                    assert answer[name] == as_stored(value) or (
                        value is None and name in ("id", "assistant", "metadata")
                    )
                    accepted.add(f"session {name}")

        @SEARCH
        @given(body=optional(SESSION), change=optional({**SESSION, "head_id": ANY}))
        def sessions(body: Json, change: Json) -> None:
            same(body, send(client, "POST", "/api/sessions", body))
            session_id = client.post("/api/sessions").json()["id"]
            same(change, send(client, "PATCH", f"/api/sessions/{session_id}", change))

        @SEARCH
        @given(content=TEXT | ANY, more=optional(MESSAGE), again=optional(MESSAGE))
        def messages(content: Any, more: Json, again: Json) -> None:
            path = f"/api/sessions/{client.post('/api/sessions').json()['id']}"
            for body in ({"content": content}, {"content": content, **more}):
                if (answer := send(client, "POST", f"{path}/messages", body)) is not None:
                    assert text_of(answer["user_message"]) == as_stored(content)
                    assert client.get(f"/api/messages/{answer['user_message']['id']}").json() == answer["user_message"]
                    if body.get("model") is not None:
                        assert answer["run"]["model"] == as_stored(body["model"])
                    accepted.update(body)
            send(client, "POST", f"{path}/runs", {"message_id": content, **again})

        sessions()
        messages()
    return accepted


async def test_any_value_in_any_field_is_accepted_or_refused(service: Service) -> None:
    accepted = await asyncio.to_thread(say_anything, service.url)
    assert accepted >= {"session title", "session model", "session metadata", "content", "model"}


RAW = [
    b"", b" ", b"{", b"nul", b"[]", b"1", b'"x"', b"NaN", b'{"title": NaN}', b'{"title":"\xff"}',
    b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00",
    b'{"title": ' + b"9" * 5000 + b"}", b"[" * 100_000, b'{"metadata":' + b'{"a":' * 50_000,
    b'{"title":"a","title":"b"}x',
    b'{"metadata":' + b'{"a":' * 500 + b"1" + b"}" * 501, b'{"title":"\x00"}', b'{"title":1e999}', b"\x00",
]  # fmt: skip


async def test_an_invalid_body_is_refused_and_stores_nothing(service: Service) -> None:
    session_id = await service.session()
    headers = {"content-type": "application/json"}
    for method, path in [
        ("POST", f"/api/sessions/{session_id}/messages"),
        ("POST", f"/api/sessions/{session_id}/runs"),
        ("PATCH", f"/api/sessions/{session_id}"),
        ("POST", "/api/sessions"),
    ]:
        for body in RAW:
            if path == "/api/sessions" and not body.strip():
                continue  # the one body that may be left out
            answer = await service.client.request(method, path, content=body, headers=headers)
            problem(answer, 422, "invalid_request", *(["errors"] if "errors" in answer.json() else []))
    assert (await service.client.get("/api/sessions")).json()["data"][0]["message_count"] == 0
    assert len((await service.client.get("/api/sessions")).json()["data"]) == 1
