"""ASGI middleware that checks Host, origin, content type and body size of every request, before anything reads it.

Without sign-in, the first two keep other people's web pages out. A page can make its own name resolve to this machine
(DNS rebinding), or make a browser send a request here. The browser says so: in `Host`, in `Sec-Fetch-Site` (W3C, Fetch
Metadata Request Headers) and in `Origin` (RFC 6454), which a page cannot change.
"""

from collections.abc import Container, Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.api.responses import problem_response
from chatkeep.errors import BadHost, BodyTooLarge, CrossSite, InvalidRequest, Refused, UnsupportedMediaType

_PROBES = ("/healthz", "/readyz")
"""Paths for monitors and load balancers, which name an address of their own in `Host`. They show no data."""
DIALECT_PATHS = ("/api/chat", "/agui", "/v1/")
"""Paths of dialects. Their clients send the whole history each time, with files in it (docs/dialects.md)."""
FILES_PATHS = ("/api/files", "/v1/files")
"""The paths to which files are sent. Their bodies are of any type, and are read as they come (`uploads.py`)."""
IMPORT_PATH = "/api/import"
"""The path to which archives are sent, likewise."""
UPLOAD_PATHS = (*FILES_PATHS, IMPORT_PATH)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing (RFC 9110, section 9.2.1)."""


class RequestChecks:
    """Refuses a request that fails a check, and passes on all others."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Container[str],
        origins: Container[str],
        max_body_bytes: int,
        max_dialect_bytes: int,
        max_upload_bytes: Mapping[str, int],
    ) -> None:
        """`hosts` are names without port, IPv6 in brackets; `*` allows any name.

        `origins` are those of other pages that may use the API (`https://example.org`); `*` allows any page.
        `max_dialect_bytes` is the largest body below `DIALECT_PATHS`, `max_upload_bytes`, by path, that of a file with
        the form around it, `max_body_bytes` that of all other requests.
        """
        self._app = app
        self._hosts = hosts
        self._origins = origins
        self._max_body_bytes = max_body_bytes
        self._max_dialect_bytes = max_dialect_bytes
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it (ASGI)."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif refusal := self._find_refusal(scope, headers):
            await problem_response(refusal)(scope, receive, send)
        elif "transfer-encoding" in headers and not _is_upload(scope):  # it does not say how long it is
            await self._pass_counted(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass_counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, up to the limit, before the request is passed on: not every route reads it."""
        limit, body = self._limit(scope), bytearray()
        message: Message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > limit:
                await problem_response(_too_large(limit))(scope, receive, send)
                return
        await self._app(scope, replay_body(bytes(body), receive), send)

    def _limit(self, scope: Scope) -> int:
        if _is_upload(scope):
            return self._max_upload_bytes[scope["path"]]
        return self._max_dialect_bytes if scope["path"].startswith(DIALECT_PATHS) else self._max_body_bytes

    def _find_refusal(self, scope: Scope, headers: Headers) -> Refused | None:
        method, hosts = scope["method"], headers.getlist("host")
        if len(hosts) > 1 or (not hosts and scope["http_version"] != "1.0"):
            return BadHost("a request has one Host header")
        host = _without_port(headers.get("host", "")).lower()
        if "*" not in self._hosts and host not in self._hosts and scope["path"] not in _PROBES:
            return BadHost(f"this service does not answer to the name {host!r}; CHATKEEP_ALLOWED_HOSTS lists its names")
        if method not in SAFE_METHODS and not self._may_change(host, headers):
            return CrossSite("a page of another site may not do this; CHATKEEP_CORS_ORIGINS lists those that may")
        if len(headers.getlist("idempotency-key")) > 1:
            return InvalidRequest("idempotency-key: one, not several")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:18]) > (limit := self._limit(scope)):
            return _too_large(limit)
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        has_body = length != "0" or "transfer-encoding" in headers
        is_json = media == "application/json" or not (media or has_body)
        if method not in SAFE_METHODS and not is_json and not _is_upload(scope):
            return UnsupportedMediaType("bodies are application/json")
        return None

    def _may_change(self, host: str, headers: Headers) -> bool:
        """Return False if a browser sends the request for a page of another site.

        Programs send neither header, and browsers `Origin` alone to plain http. Then its name is compared with `host`,
        that of the request, without the ports, since a proxy may leave them out.
        """
        site, origin = headers.get("sec-fetch-site"), headers.get("origin", "")
        if site in ("same-origin", "none") or "*" in self._origins or origin in self._origins:
            return True
        if site is not None:
            return False
        return not origin or _without_port(origin.lower().partition("://")[2]) == host


def _is_upload(scope: Scope) -> bool:
    return scope["method"] == "POST" and scope["path"] in UPLOAD_PATHS


def replay_body(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that brings an already buffered body once, and then what `receive` brings."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"a body may have {limit} bytes")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
