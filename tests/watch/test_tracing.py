"""Traces, as a collector on loopback gets them from the real command."""

import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.api.test_process import running
from tests.provider import Provider, refuses, streams, text_chunks

pytestmark = pytest.mark.anyio

collector_messages = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """An OTLP server: the spans that it was sent, by name."""

    def __init__(self) -> None:
        self.spans: dict[str, Any] = {}
        self.resource: dict[str, Any] = {}
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002  # the library's name

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        request = collector_messages.ExportTraceServiceRequest.FromString(body)
        for of_resource in request.resource_spans:
            self.resource = values(of_resource.resource.attributes)
            for scope in of_resource.scope_spans:
                self.spans |= {span.name: span for span in scope.spans}


def values(attributes: Any) -> dict[str, Any]:
    """Attributes as a plain dictionary."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    yield collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


CALL = [
    b'data: {"choices":[{"delta":{"tool_calls":[%b]}}]}\n\n'
    % b'{"index":0,"id":"c1","function":{"name":"act","arguments":"{}"}}',
    b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n',
]
TOOLS = """from chatkeep.tools import tool

@tool
def act() -> str:
    '''Do it.'''
    return "secret output"
"""


async def trace(directory: Path, collector: Collector, provider: Provider, **more: str) -> str:
    """Answer `secret words` with `provider`'s answers, and return the session's id when all spans were sent."""
    (directory / "acts.py").write_text(TOOLS)
    (directory / "acts.md").write_text("---\nname: acts\ndescription: Acts.\nfunctions: [act]\n---\nAct.\n")
    variables = {
        "CHATKEEP_ASSISTANTS_DIR": ".",
        "CHATKEEP_ASSISTANT": "acts",
        "CHATKEEP_TOOLS": "acts",
        "CHATKEEP_TRUSTED_PROXIES": "127.0.0.1",
        "OPENAI_BASE_URL": provider.url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        **more,
    }
    async with running(directory, f"sqlite:///{directory}/t.db", **variables) as service:
        session = (await service.client.post("/api/sessions", json={})).json()["id"]
        await service.client.post(
            f"/api/sessions/{session}/messages",
            json={"content": "secret words"},
            headers={"accept": "application/json", "traceparent": TRACEPARENT},
        )
        status, stderr = await service.stopped(signal.SIGTERM)
    assert (status, stderr) == (0, "")
    return session


async def test_a_turn_is_a_tree_of_spans(tmp_path: Path, provider: Provider, collector: Collector) -> None:
    provider.answers = [streams(*CALL), streams(*text_chunks("Done."))]
    session = await trace(tmp_path, collector, provider)
    request = collector.spans["POST /api/sessions/{session_id}/messages"]
    model, act = collector.spans["chat gpt-5-mini"], collector.spans["execute_tool act"]
    assert collector.resource["service.name"] == "chatkeep"
    assert request.trace_id.hex() == TRACEPARENT.split("-")[1]
    assert request.parent_span_id.hex() == TRACEPARENT.split("-")[2]
    assert {model.parent_span_id, act.parent_span_id} == {request.span_id}
    assert values(request.attributes)["http.response.status_code"] == 200
    assert values(act.attributes)["gen_ai.tool.name"] == "act"
    said = values(model.attributes)
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (9, 3)
    assert (said["gen_ai.operation.name"], said["gen_ai.provider.name"]) == ("chat", "127.0.0.1")
    assert said["gen_ai.conversation.id"] == session
    assert "secret" not in str(collector.spans)


async def test_a_failed_call_has_the_code_of_its_error(
    tmp_path: Path, provider: Provider, collector: Collector
) -> None:
    provider.answers = [refuses(401, {"error": {"message": "no"}})]
    await trace(tmp_path, collector, provider)
    model = collector.spans["chat gpt-5-mini"]
    assert values(model.attributes)["error.type"] == "model_auth"
    assert model.status.code == 2


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}], ids=str)
async def test_traces_can_be_turned_off(
    tmp_path: Path, provider: Provider, collector: Collector, off: dict[str, str]
) -> None:
    provider.answers = [streams(*text_chunks("Hello"))]
    await trace(tmp_path, collector, provider, **off)
    assert collector.spans == {}
