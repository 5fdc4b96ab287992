"""The messages of a server, on their way to the SDK: everything that a server sends passes here.

1. Results are wrapped (`raw_results.py`).
2. Requests are answered here, one after the other: a ping by an empty result, any other by "method not found", since
   we offer servers nothing. The SDK would start a task for each.
3. Notifications are left out, but for those that the SDK needs for a subscription. The SDK would start a task for each.
4. No more than `MAX_MESSAGES_PER_SECOND` are read. The server waits, and our memory does not grow.
"""

from collections.abc import AsyncIterable, Callable
from typing import Any

import anyio
from anyio.abc import ObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import (
    METHOD_NOT_FOUND,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from chatkeep.mcp.raw_results import wrap_result

MAX_MESSAGES_PER_SECOND = 500
"""How many messages of a server are read in a second."""
ANSWER_SECONDS = 30.0
"""How long a server may take to read our answer to its request."""
_TOOLS_CHANGED = "notifications/tools/list_changed"
_FOR_SUBSCRIPTIONS = ("notifications/subscriptions/acknowledged", "notifications/cancelled")


async def pass_on(
    messages: AsyncIterable[SessionMessage | Exception],
    received: ObjectSendStream[SessionMessage | Exception],
    answers: Any,
    on_tools_changed: Callable[[], None],
    warn: Callable[[str], None],
) -> None:
    """Pass `messages` on to the stream `received`, and return when they end.

    `answers` is the stream to the server. `on_tools_changed` is called when its list of tools has changed, `warn` when
    it sends too much.

    Raises:
        ConnectionError: it does not read what it is answered.
    """
    pace = _Pace(warn)
    has_warned = False
    async for each in messages:
        await pace.keep()
        match each.message if isinstance(each, SessionMessage) else None:
            case None:
                if not has_warned:
                    has_warned = True
                    warn(f"it sends what is no message: {' '.join(str(each).split())[:200]}")
            case JSONRPCRequest() as request:
                await _answer(request, answers)
            case JSONRPCNotification(method=method):
                if method == _TOOLS_CHANGED:
                    on_tools_changed()
                elif method in _FOR_SUBSCRIPTIONS:
                    await received.send(each)
            case JSONRPCResponse() as response:
                response.result = wrap_result(response.result)
                await received.send(each)
            case JSONRPCError():
                await received.send(each)


async def _answer(request: JSONRPCRequest, answers: Any) -> None:
    refusal = ErrorData(code=METHOD_NOT_FOUND, message="this client offers nothing")
    answer: JSONRPCMessage = JSONRPCError(jsonrpc="2.0", id=request.id, error=refusal)
    if request.method == "ping":
        answer = JSONRPCResponse(jsonrpc="2.0", id=request.id, result={})
    try:
        with anyio.fail_after(ANSWER_SECONDS):
            await answers.send(SessionMessage(answer))
    except TimeoutError as error:
        raise ConnectionError("it does not read what it is answered") from error


class _Pace:
    """Waits where more messages come in a second than are read."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._count = 0
        self._ends_at = anyio.current_time() + 1

    async def keep(self) -> None:
        """Wait until the next message may be read."""
        self._count += 1
        if self._count >= MAX_MESSAGES_PER_SECOND:
            if anyio.current_time() < self._ends_at:
                self._warn(f"it sends more than {MAX_MESSAGES_PER_SECOND} messages in a second: they are read slowly")
                await anyio.sleep_until(self._ends_at)
            self._count, self._ends_at = 0, anyio.current_time() + 1
