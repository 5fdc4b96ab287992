"""Sends a request's head again that the SDK has made, with another body; see the head of this package."""

import httpx2

from chatkeep.llm.http.transport import RESPONSE_BODY, SENDER, RequestHead, Transport

REPLAYABLE_HEADERS = frozenset({
    "host", "connection", "accept", "accept-encoding", "authorization", "content-type", "content-length", "user-agent",
    "openai-organization", "openai-project",
    "x-stainless-lang", "x-stainless-package-version", "x-stainless-os", "x-stainless-arch", "x-stainless-runtime",
    "x-stainless-runtime-version", "x-stainless-async", "x-stainless-retry-count", "x-stainless-read-timeout",
})  # fmt: skip
"""The headers that openai 3.54 sends, all of which are the same for every request of one client.

`content-length` is written anew. A head with any other header is not sent again: it may belong to one request.
"""


def is_replayable(request: httpx2.Request) -> bool:
    """Return True if every header of `request` may be sent again with another body."""
    return all(name.lower() in REPLAYABLE_HEADERS for name in request.headers)


class RequestReplay:
    """The head of a request that was answered, to be sent with further bodies."""

    def __init__(self) -> None:
        """At first there is none."""
        self._request: httpx2.Request | None = None
        self._sender: tuple[Transport, RequestHead] | None = None

    @property
    def request(self) -> httpx2.Request | None:
        """The request whose head is sent again; None while there is none."""
        return self._request

    def learn(self, response: httpx2.Response) -> None:
        """Take the head of the request that `response` answers, if it was sent by a `Transport`.

        Not of one that was redirected: a 307 is for one request (RFC 9110 §15.4.8), and its target must not get the
        key again.
        """
        sender = response.extensions.get(SENDER)
        if sender is not None and not response.history and is_replayable(response.request):
            self._request, self._sender = response.request, sender

    def forget(self) -> None:
        """Have the SDK make the next request: the provider has moved."""
        self._request = self._sender = None

    async def send(self, content: bytes, deadline: float) -> httpx2.Response | None:
        """Send the head with `content` as its body, and return the response when its head is there; None without one.

        Raises:
            TimeoutError: the response did not begin before `deadline`, in the event loop's time.
            httpx2.HTTPError: there is none.
        """
        if self._sender is None or self._request is None:
            return None
        transport, head = self._sender
        status, headers, body = await transport.send(head, content, deadline)
        extensions = {RESPONSE_BODY: body}
        return httpx2.Response(status, headers=headers, stream=body, request=self._request, extensions=extensions)
