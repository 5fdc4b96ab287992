"""Headers of every answer, against what a browser might do with it (OWASP, REST Security Cheat Sheet).

A route that sets one of them keeps its own: the page has a wider policy, and its assets may be cached.
"""

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


class ResponseHeaders:
    """ASGI middleware that adds `HEADERS`. A stream's events do not pass it (`stream_server.py`)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the request answered, with more headers (ASGI)."""

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                names = {name for name, _ in headers}
                message["headers"] = [*headers, *(each for each in RAW_HEADERS if each[0] not in names)]
            await send(message)

        await self._app(scope, receive, send_more)
