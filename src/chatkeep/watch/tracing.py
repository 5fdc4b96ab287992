"""Traces for OpenTelemetry: requests, calls of models, functions. The only file that imports it.

1. Traces are on if `OTEL_EXPORTER_OTLP_ENDPOINT` or its like for traces is set, or `OTEL_TRACES_EXPORTER=otlp`; and
   off if `OTEL_SDK_DISABLED=true` or `OTEL_TRACES_EXPORTER=none`. The SDK reads the rest of its usual variables by
   itself: headers, sampler, service name (OpenTelemetry, "Environment Variable Specification").
2. Names follow the conventions for generative AI, which are still changing; so all of them stand here.
3. A span never holds content: no message, prompt, argument, path or query. Errors are codes.
4. A span is a child of the request that began its run, since tasks inherit the context.
"""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from chatkeep.watch import context

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SERVICE_NAME = "chatkeep"

_log = logging.getLogger("chatkeep")


class _Tracing:
    """The tracer of this process; None while traces are off."""

    tracer: "Tracer | None" = None


class CallEnd(NamedTuple):
    """How a model's call ended: its tokens, its finish reason, the code of its error. None where it is not known."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    finish_reason: str | None = None
    error: str | None = None


def is_on() -> bool:
    """Return True while spans are exported."""
    return _Tracing.tracer is not None


@contextmanager
def exporting() -> Generator[None]:
    """Export spans within the block, if the environment asks for it, and send the last ones at its end."""
    if not _is_asked_for():
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _log.warning("no traces: they need the packages of chatkeep[otel]")
        yield
        return
    resource = Resource.create({} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: _SERVICE_NAME})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _Tracing.tracer = provider.get_tracer("chatkeep")
    try:
        yield
    finally:
        _Tracing.tracer = None
        provider.shutdown()


def _is_asked_for() -> bool:
    named = os.environ.get("OTEL_TRACES_EXPORTER", "otlp" if any(map(os.environ.get, _ENDPOINTS)) else "none")
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or named == "none":
        return False
    protocol = next(filter(None, map(os.environ.get, _PROTOCOLS)), "http/protobuf")
    if named != "otlp" or protocol != "http/protobuf":
        _log.warning("no traces: the exporter is otlp with http/protobuf, not %s with %s", named, protocol)
        return False
    return True


def begin_request(traceparent: str | None) -> "Span | None":
    """Begin the span of a request, which all spans of its task and its run are below; None while traces are off.

    `traceparent` is the caller's header (W3C, Trace Context), where the caller is trusted.
    """
    if _Tracing.tracer is None:
        return None
    from opentelemetry import context as otel_context
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind, set_span_in_context

    parent = extract({"traceparent": traceparent} if traceparent else {})
    span = _Tracing.tracer.start_span("request", parent, SpanKind.SERVER)
    otel_context.attach(set_span_in_context(span))  # the task is the request's, and ends with it
    return span


def end_request(span: "Span", method: str, route: str, status: int) -> None:
    """End the span of a request (OpenTelemetry, "Semantic conventions for HTTP spans")."""
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        | ({"error.type": str(status)} if status >= 500 else {})
    )
    if status >= 500:
        _mark_error(span)
    span.end()


def begin_call(model: str, provider: str) -> "Span | None":
    """Begin the span of a model's call; None while traces are off."""
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": model}
    return _begin(f"chat {model}", "CLIENT", attributes)


def end_call(span: "Span", end: CallEnd) -> None:
    """End the span of a model's call."""
    known: dict[str, Any] = {
        "gen_ai.usage.input_tokens": end.input_tokens,
        "gen_ai.usage.output_tokens": end.output_tokens,
        "gen_ai.response.finish_reasons": [end.finish_reason] if end.finish_reason else None,
        "error.type": end.error,
    }
    span.set_attributes({name: value for name, value in known.items() if value is not None})
    if end.error is not None:
        _mark_error(span)
    span.end()


@contextmanager
def tool_span(name: str) -> Generator[dict[str, str]]:
    """Trace a function that runs within the block, if traces are on. Put its state under `state` before the end."""
    outcome = {"state": "cancelled"}
    span = _begin(
        f"execute_tool {name}", "INTERNAL", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    )
    try:
        yield outcome
    finally:
        if span is not None:
            if outcome["state"] != "succeeded":
                span.set_attribute("error.type", outcome["state"])
                _mark_error(span)
            span.end()


def _begin(name: str, kind: str, attributes: dict[str, str]) -> "Span | None":
    if _Tracing.tracer is None:
        return None
    from opentelemetry.trace import SpanKind

    if session_id := context.session_id.get():
        attributes = {**attributes, "gen_ai.conversation.id": session_id}
    return _Tracing.tracer.start_span(name, kind=SpanKind[kind], attributes=attributes)


def _mark_error(span: "Span") -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR)
