"""What no request passes without: a known `Host`, and a body that says it is JSON. Pure ASGI.

Without authentication, these two keep other people's web pages out: a page can make a browser send a form here,
or make its own name resolve to this machine (DNS rebinding); it cannot do either with the right headers.
"""

from collections.abc import Container

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.api.answers import problem
from chatkeep.errors import BadHost, Refused, UnsupportedMediaType


class Gate:
    """Middleware that refuses what the head of this file says."""

    def __init__(self, app: ASGIApp, hosts: Container[str]) -> None:
        """`hosts`: names without port, IPv6 in brackets; `*` lets any name pass."""
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it (ASGI)."""
        if scope["type"] == "http" and (refused := self._refusal(scope["method"], Headers(scope=scope))):
            await problem(refused)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> Refused | None:
        host = _without_port(headers.get("host", "")).lower()
        if "*" not in self._hosts and host not in self._hosts:
            return BadHost(f"this service does not answer to the name {host!r}; CHATKEEP_ALLOWED_HOSTS lists its names")
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if method not in ("GET", "HEAD", "OPTIONS") and media != "application/json" and (media or has_body):
            return UnsupportedMediaType("bodies are application/json")
        return None


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
