"""Headers of every answer, against what a browser might do with it (OWASP, REST Security Cheat Sheet).

A route that sets one of them keeps its own: the page has a wider policy, and its assets may be cached.

Addresses in an answer (`Location`) are paths, below the one where a proxy serves the service (`CHATKEEP_PUBLIC_URL`).
The service itself knows nothing of that path: the proxy takes it off each request.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = (
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),  # read by CORS (CHATKEEP_CORS_ORIGINS) or not at all
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)
"""The headers of an answer whose route does not say otherwise."""
RAW_HEADERS = tuple((name.encode(), value.encode()) for name, value in HEADERS)
"""The same, as ASGI has them."""
_ADDRESSES = (b"location", b"content-location")


class ResponseHeaders:
    """ASGI middleware that adds `HEADERS`. A stream's events do not pass it (`stream_server.py`)."""

    def __init__(self, app: ASGIApp, public_path: str) -> None:
        """`public_path` has no `/` at its end."""
        self._app = app
        self._public_path = public_path.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the request answered, with more headers (ASGI)."""

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, self._address(value, scope)) if name in _ADDRESSES else (name, value)
                    for name, value in message["headers"]
                ]
                names = {name for name, _ in headers}
                message["headers"] = [*headers, *(each for each in RAW_HEADERS if each[0] not in names)]
            await send(message)

        await self._app(scope, receive, send_more)

    def _address(self, value: bytes, scope: Scope) -> bytes:
        """Return an address as the client knows it. A redirect of Starlette's names our scheme and host, too."""
        path = value.removeprefix(f"{scope['scheme']}://{Headers(scope=scope).get('host', '')}".encode())
        return self._public_path + path if path.startswith(b"/") else value
