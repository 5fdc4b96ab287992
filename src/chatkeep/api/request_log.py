"""Gives each request an id, counts it, and writes it into the access log. ASGI middleware.

1. The id is that of the header `X-Request-Id`, if a trusted proxy sends it; else it is ours. It is in the response's
   header, in problem documents, and in every line of the log that the request causes.
2. A line of the access log has the route's pattern, never the path or the query: they hold ids and words of users.
3. A stream's line is written when its head is sent. Its events do not pass here (`stream_server.py`).
"""

import logging
import re
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep import ids
from chatkeep.settings.peers import Peers
from chatkeep.watch import context, metrics, tracing
from chatkeep.watch.log_lines import FIELDS

HEADER = "x-request-id"
"""The header with the request's id."""
NO_ROUTE = "-"
"""The route of a request that fits none, or was refused before one was looked for."""
_GIVEN_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT")

_log = logging.getLogger("chatkeep.access")


class RequestLog:
    """Passes each request on, with an id, and logs it when it is answered."""

    def __init__(self, app: ASGIApp, trusted_proxies: Peers, *, has_lines: bool) -> None:
        """`has_lines`: with an access log (`CHATKEEP_ACCESS_LOG`)."""
        self._app = app
        self._trusted_proxies = trusted_proxies
        self._has_lines = has_lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the request answered (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope) if self._is_trusted(scope) else Headers()
        request_id = _request_id(headers)
        span = tracing.begin_request(headers.get("traceparent"))
        context.request_id.set(request_id)  # for the rest of this task, which is the request's
        answer = _Answer(send, (HEADER.encode(), request_id.encode()))
        began_at = time.perf_counter()
        try:
            await self._app(scope, receive, answer.send)
        finally:
            self._note(scope, answer, time.perf_counter() - began_at)
            if span is not None:
                tracing.end_request(span, method_of(scope), route_of(scope), answer.status)

    def _note(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        method, route = method_of(scope), route_of(scope)
        metrics.counter(metrics.HTTP_REQUESTS, route, method, answer.status).inc()
        metrics.histogram(metrics.HTTP_SECONDS, route).observe(seconds)
        if self._has_lines:
            ms = round(seconds * 1000, 1)
            fields = {"method": method, "route": route, "status": answer.status, "ms": ms, "bytes": answer.size}
            text = "{method} {route} {status} {ms} ms {bytes} bytes".format_map(fields)
            _log.info("%s", text, extra={FIELDS: fields})

    def _is_trusted(self, scope: Scope) -> bool:
        client = scope.get("client")
        return self._trusted_proxies.has(client[0] if client else None)


def _request_id(headers: Headers) -> str:
    given = headers.get(HEADER, "")
    return given if _GIVEN_ID.fullmatch(given) else ids.new()


class _Answer:
    """The answer to one request, while it is sent. `status` stays 500 if the application fails before it answers."""

    __slots__ = ("_header", "_send", "size", "status")

    def __init__(self, send: Send, header: tuple[bytes, bytes]) -> None:
        self._send = send
        self._header = header
        self.status = 500
        self.size = 0  # of the body, in bytes

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], self._header]
        else:
            self.size += len(message.get("body", b""))
        await self._send(message)


def route_of(scope: Scope) -> str:
    """Return the pattern of the route that has answered: `/api/sessions/{session_id}`."""
    return getattr(scope.get("route"), "path", NO_ROUTE)


def method_of(scope: Scope) -> str:
    """Return the method, or `other` for one that no route has: it is any word of the client's."""
    return scope["method"] if scope["method"] in _METHODS else "other"
