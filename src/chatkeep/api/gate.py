"""What no request passes without: a known `Host`, a body that says it is JSON, and is not too large. Pure ASGI.

Without authentication, the first two keep other people's web pages out: a page can make a browser send a form
here, or make its own name resolve to this machine (DNS rebinding); it cannot do either with the right headers.
"""

from collections.abc import Container

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.api.answers import problem
from chatkeep.errors import BadHost, BodyTooLarge, Refused, UnsupportedMediaType


class Gate:
    """Middleware that refuses what the head of this file says."""

    def __init__(self, app: ASGIApp, hosts: Container[str], max_body: int) -> None:
        """`hosts`: names without port, IPv6 in brackets; `*` lets any name pass. `max_body`: bytes."""
        self._app = app
        self._hosts = hosts
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif refused := self._refusal(scope["method"], Headers(scope=scope)):
            await problem(refused)(scope, receive, send)
        else:
            passage = _Passage(scope, receive, send, self._max_body)
            await self._app(scope, passage.receive, passage.send)

    def _refusal(self, method: str, headers: Headers) -> Refused | None:
        host = _without_port(headers.get("host", "")).lower()
        if "*" not in self._hosts and host not in self._hosts:
            return BadHost(f"this service does not answer to the name {host!r}; CHATKEEP_ALLOWED_HOSTS lists its names")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:18]) > self._max_body:
            return _too_large(self._max_body)
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        has_body = length != "0" or "transfer-encoding" in headers
        if method not in ("GET", "HEAD", "OPTIONS") and media != "application/json" and (media or has_body):
            return UnsupportedMediaType("bodies are application/json")
        return None


class _Passage:
    """A request on its way through: counts a body that did not say how long it is."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_body: int) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._max_body = self._left = max_body
        self._refused: Refused | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self._refused = _too_large(self._max_body)
            raise self._refused  # whatever the application makes of this, `send` says it right
        return message

    async def send(self, message: Message) -> None:
        if self._refused is None:
            await self._send(message)
        elif message["type"] == "http.response.start":
            await problem(self._refused)(self._scope, self._receive, self._send)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"a body may have {limit} bytes")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
