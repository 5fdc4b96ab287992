"""Finds out who makes a request, before any route sees it. ASGI middleware, so that no route can forget to ask.

1. It leaves a `Caller` in the request's scope, which `deps.py` reads. A request without a valid way in is refused.
2. What shows no data passes without: the page, its assets and the probes.
3. A token's scope is checked here, by method and path.
"""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.api.middleware import SAFE_METHODS
from chatkeep.api.open_streams import OpenStreams
from chatkeep.api.responses import handle_storage, problem_response
from chatkeep.api.stream_server import OF_CALLER
from chatkeep.api.ways_in import WaysIn
from chatkeep.chat.people import LOCAL_CALLER, Caller
from chatkeep.errors import Refused, StorageFailed
from chatkeep.sign_in.refusals import Forbidden

CALLER = "chatkeep.caller"
"""The scope's key for the caller."""
METRICS_PATH = "/metrics"
"""The one path that a token with the scope `metrics` may read."""
_PUBLIC = ("/", "/diagram", "/manifest.webmanifest", "/healthz", "/readyz")
_PUBLIC_FOLDERS = ("/assets/", "/auth/")
_OF_PEOPLE = ("/api/tokens", "/api/admin")
"""Paths that no token may use: with a token, none can be made, and no user be changed."""


class Identity:
    """Passes on a request with its caller, or refuses it."""

    def __init__(self, app: ASGIApp, ways_in: WaysIn, open_streams: OpenStreams) -> None:
        self._app = app
        self._open_streams = open_streams
        self._ways_in = ways_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it (ASGI)."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if scope["type"] != "http" or is_public(scope["path"], headers):
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        peer = client[0] if client else None
        try:
            caller = await self._ways_in.identify(scope["app"].state.runtime.db, headers, peer)
            _check_scope(caller, scope["method"], scope["path"])
        except Refused as error:
            await problem_response(error)(scope, receive, send)
        except StorageFailed as error:
            await (await handle_storage(Request(scope), error))(scope, receive, send)
        else:
            scope[CALLER] = caller
            if caller is not LOCAL_CALLER:
                scope[OF_CALLER] = self._open_streams.of(caller)
            await self._app(scope, receive, send)


def is_public(path: str, headers: Headers) -> bool:
    """Return True for what may be asked for without signing in. Metrics have peers of their own, or a token."""
    return (
        path in _PUBLIC or path.startswith(_PUBLIC_FOLDERS) or (path == METRICS_PATH and "authorization" not in headers)
    )


def _check_scope(caller: Caller, method: str, path: str) -> None:
    if (caller.scope == "metrics") is not (path == METRICS_PATH) and caller is not LOCAL_CALLER:
        raise Forbidden(f"{METRICS_PATH} is read with a token whose scope is metrics, and nothing else is")
    if caller.scope == "read" and method not in SAFE_METHODS:
        raise Forbidden("this token may only read")
    if caller.way == "token" and (path.startswith(_OF_PEOPLE) or (method == "DELETE" and path == "/api/me")):
        raise Forbidden("no token may do this: sign in")
