"""The short cut of the commonest request, a message that is sent: past FastAPI's routing and solving of dependencies.

A turn is what short answers cost, and these were a fifth of it. Only a sound request goes this way; whatever is wrong
with one, or not known here, is left to FastAPI, which says what it is. The route itself, its documentation and its
handler are those of `send_message`.
"""

import re

from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep import ids
from chatkeep.api.deps import KEY, get_owner, get_runtime
from chatkeep.api.middleware import replay_body
from chatkeep.api.requests import NewMessage, Utf8Request
from chatkeep.api.responses import handle_storage, problem_response, requested_form
from chatkeep.api.routes.messages import send_message
from chatkeep.errors import Refused, StorageFailed

_PATH = re.compile(r"/api/sessions/([^/]+)/messages")


class ShortCut:
    """Middleware, the innermost: answers what the head of this file says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on (ASGI)."""
        match = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if match is None:
            await self._app(scope, receive, send)
            return
        request = Utf8Request(scope, receive)
        try:
            response = await _answer(request, match[1])
            body = await request.body()  # kept by the request, if it was read before
        except ClientDisconnect:
            return
        if response:
            await response(scope, receive, send)
        else:
            await self._app(scope, replay_body(body, receive), send)


async def _answer(request: Request, session: str) -> Response | None:
    """The answer to a sound request; None to any other."""
    headers = request.headers
    session_id = ids.parse(session)
    key = headers.get("idempotency-key")
    if session_id is None or (key is not None and not re.fullmatch(KEY, key)):
        return None
    try:
        body = NewMessage.model_validate(await request.json())
    except (ValueError, RecursionError):
        return None
    form = await requested_form(headers.getlist("accept"), headers.getlist("prefer"))
    try:
        return await send_message(await get_runtime(request), await get_owner(), session_id, body, form, key)
    except Refused as error:
        return problem_response(error)
    except StorageFailed as error:
        return await handle_storage(request, error)
