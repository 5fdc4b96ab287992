"""A request's head is sent again only if each of its headers may be: nothing that belongs to one request goes twice."""

import httpx2
import pytest

from chatkeep.llm.http.replay import RequestReplay, is_replayable
from chatkeep.llm.http.transport import SENDER, RequestHead, Transport
from tests.llm.asking import connected, receive
from tests.provider import Provider, streams, text_chunks

pytestmark = pytest.mark.anyio

ONE_REQUESTS = ["idempotency-key", "Idempotency-Key", "traceparent", "x-request-id", "cookie"]


def request(**headers: str) -> httpx2.Request:
    headers = {"authorization": "Bearer k", "X-Stainless-Retry-Count": "0", **headers}
    return httpx2.Request("POST", "http://provider.example/v1", headers=headers, content=b"{}")


def test_a_head_of_known_headers_is_replayable() -> None:
    assert is_replayable(request())


@pytest.mark.parametrize("name", ONE_REQUESTS)
async def test_a_header_of_one_request_is_never_sent_again(name: str) -> None:
    first = request(**{name: "1"})
    assert not is_replayable(first)
    replay = RequestReplay()
    sender = (Transport(), RequestHead.of(first, None))
    replay.learn(httpx2.Response(200, request=first, extensions={SENDER: sender}))
    assert replay.request is None
    assert await replay.send(b"{}", 0) is None


async def test_the_sdks_own_head_is_sent_again(provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("Hello"))]
    async with connected(provider) as model:
        for _ in range(3):
            assert (await receive(model)).text == "Hello"
    first, *others = [each.headers for each in provider.requests]
    assert others == [first, first]
