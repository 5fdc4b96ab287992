"""Any OpenAI-compatible model, through the OpenAI SDK; the only file that knows how to call it.

The SDK builds the request, authenticates, and checks the answer; the body is read as bytes and decoded by
`wire`, because the SDK's own typed stream costs some hundred times more per chunk (`docs/decisions/0003`).
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast
from urllib.request import getproxies

import httpx2
import msgspec
import openai

from chatkeep.llm import Prompt
from chatkeep.llm.chunks import Chunk
from chatkeep.llm.http.transport import RESPONSE_BODY, RequestHead, ResponseBody, Transport
from chatkeep.llm.provider_errors import is_retryable, retry_after_seconds, translate_error
from chatkeep.llm.sse_parser import SseParser
from chatkeep.settings import Settings

_JSON = {"content-type": "application/json"}

RETRY_AFTER_LIMIT_SECONDS = 20.0
"""The longest `Retry-After`, in seconds, that is waited for; beyond it the run fails and says so."""
_FAILURES = (openai.OpenAIError, httpx2.HTTPError, OSError, ValueError)
"""What the provider, the way to it, or the SDK may raise."""


class OpenAIModel:
    """A model behind an OpenAI-compatible HTTP API."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
        self._transport = None if getproxies() else Transport()
        self._replayable: tuple[httpx2.Request, RequestHead] | None = None  # a request that was answered, and its head
        self._client = openai.AsyncOpenAI(
            api_key=self._key or "none",  # a server at home asks for none; the SDK insists on one
            base_url=settings.openai_base_url,
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=settings.connect_timeout),
            http_client=_http_client(settings, self._transport),
        )

    def name(self, requested: str) -> str:
        """The provider's own name for it."""
        return requested

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        """See `Model.stream`. Tries again after connect errors, 429 and 5xx, only before the first chunk."""
        answer = await self._open_with_retries(prompt)
        del prompt  # it holds the whole conversation, and the answer may take long
        try:
            while answer.chunks or await answer.fetch():
                yield answer.take()
        except _FAILURES as error:
            raise translate_error(error, self._key) from error
        finally:
            await answer.close()

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.close()

    async def _open_with_retries(self, prompt: Prompt) -> "_ChunkStream":
        """The answer, with its first chunks."""
        for left in range(self._settings.model_retries, -1, -1):
            try:
                return await self._open_stream(prompt)
            except _FAILURES as error:
                failure = translate_error(error, self._key)
                if left == 0 or not is_retryable(error):
                    raise failure from error
                pause = retry_after_seconds(error)
                if pause is not None and pause > RETRY_AFTER_LIMIT_SECONDS:
                    raise type(failure)(f"{failure} (the provider asks to wait {pause:.0f} s)") from error
            attempt = self._settings.model_retries - left
            spread = random.uniform(1, 2)  # noqa: S311  # keeps callers apart, no secret
            await asyncio.sleep(pause if pause is not None else 0.25 * 2**attempt * spread)
        raise AssertionError("the last attempt returns or raises")

    async def _open_stream(self, prompt: Prompt) -> "_ChunkStream":
        deadline = asyncio.get_running_loop().time() + self._settings.first_byte_timeout
        body = await self._send(msgspec.json.encode(_parameters(prompt)), deadline)
        answer = _ChunkStream(body, SseParser(self._key), self._settings.idle_timeout)
        try:
            await answer.fetch(deadline)
        except BaseException:
            await answer.close()
            raise
        return answer

    async def _send(self, content: bytes, deadline: float) -> "ResponseBody | _SdkBody":
        """The body of the response to a request with that content, as soon as its head is there.

        The SDK addresses, signs, sends and checks the first request. Those that follow differ in nothing but their
        body, so they go out with the head that it made: making the same one again cost 0.4 ms, a fifth of a short turn.

        Raises:
            TimeoutError: the response did not begin until `deadline`, in the event loop's time.
            openai.OpenAIError: there is none, or it is an error.
        """
        if self._transport is None or self._replayable is None:
            return await self._send_with_sdk(content, deadline)
        request, head = self._replayable
        try:
            status, headers, body = await self._transport.send(head, content, deadline)
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request) from error
        except httpx2.HTTPError as error:
            raise openai.APIConnectionError(request=request) from error
        response = httpx2.Response(
            status, headers=headers, stream=body, request=request, extensions={RESPONSE_BODY: body}
        )
        if response.is_success:
            return _body(response)
        if response.is_redirect:  # it has moved since: the SDK looks where to
            self._replayable = None
            await response.aclose()
            return await self._send_with_sdk(content, deadline)
        async with asyncio.timeout_at(deadline):
            raise await _failure(response)

    async def _send_with_sdk(self, content: bytes, deadline: float) -> "ResponseBody | _SdkBody":
        async with asyncio.timeout_at(deadline):
            answer: object = (
                await self._client.post(  # its door for plain requests; `create` looks at each parameter's type
                    "/chat/completions",
                    cast_to=httpx2.Response,
                    content=content,
                    options={"headers": _JSON},
                    stream=True,
                    stream_cls=openai.AsyncStream[Any],
                )
            )
        response = cast("httpx2.Response", answer)  # `cast_to` wins over `stream_cls`, whatever the types say
        if not response.history:  # a 307 is for one request (RFC 9110 §15.4.8), and its target is not to have the key
            self._replayable = response.request, RequestHead.of(response.request)
        return _body(response)


class _ChunkStream:
    """An answer as it comes: what has come of it is in `chunks` until it is taken."""

    __slots__ = ("_body", "_idle", "_loop", "_parser", "chunks")

    def __init__(self, body: "ResponseBody | _SdkBody", parser: SseParser, idle: float) -> None:
        """`idle`: seconds that the provider may be silent."""
        self.chunks: Sequence[Chunk] = ()
        self._body = body
        self._parser = parser
        self._idle = idle
        self._loop = asyncio.get_running_loop()

    async def fetch(self, deadline: float | None = None) -> bool:
        """Wait for the next chunks, until `deadline` (event loop's time) if one is given. False at the end.

        Raises:
            TurnFailed: the provider says that it failed, or is not understood.
            TimeoutError: it fell silent.
            httpx2.ReadError: the connection broke.
        """
        parser = self._parser
        while not self.chunks and not parser.done and parser.failure is None:
            data = await self._body.read(deadline or self._loop.time() + self._idle)
            self.chunks, deadline = parser.feed(data) if data else parser.finish(), None
        if not self.chunks and parser.failure is not None:
            raise parser.failure
        return bool(self.chunks)

    def take(self) -> Sequence[Chunk]:
        """`chunks`, which are not kept."""
        chunks, self.chunks = self.chunks, ()
        return chunks

    async def close(self) -> None:
        """No more of it is wanted."""
        await self._body.close(is_done=self._parser.done)


async def _failure(response: httpx2.Response) -> openai.APIStatusError:
    """The SDK's error for a response that is no success, with what it says as the SDK would put it."""
    try:
        await response.aread()
    finally:
        await response.aclose()
    said = f"Error code: {response.status_code}"
    try:
        body: Any = response.json()
    except ValueError:
        return openai.APIStatusError(response.text.strip() or said, response=response, body=None)
    error: Any = cast("dict[str, Any]", body).get("error", body) if isinstance(body, dict) else body
    return openai.APIStatusError(f"{said} - {body}", response=response, body=error)


def _http_client(settings: Settings, transport: Transport | None) -> httpx2.AsyncClient:
    """A client over our own transport; or the SDK's, for where the environment names a proxy."""
    if transport is None:
        return openai.DefaultAsyncHttpxClient(limits=httpx2.Limits(max_connections=settings.max_runs))
    headers = {"accept-encoding": "identity"}  # small pieces gain nothing from it, and each would be held back
    return httpx2.AsyncClient(transport=transport, headers=headers, follow_redirects=True)


def _body(response: httpx2.Response) -> "ResponseBody | _SdkBody":
    """The body of `response`, of which nothing else is kept while it is read."""
    body = response.extensions.get(RESPONSE_BODY)
    if isinstance(body, ResponseBody) and response.headers.get("content-encoding", "identity") == "identity":
        return body
    return _SdkBody(response)


class _SdkBody:
    """A body that the SDK's own client reads, or decompresses; as `ResponseBody`."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._pieces = response.aiter_bytes()

    async def read(self, deadline: float) -> bytes:
        async with asyncio.timeout_at(deadline):
            return await anext(self._pieces, b"")

    async def close(self, *, is_done: bool) -> None:
        del is_done
        await self._response.aclose()


def _parameters(prompt: Prompt) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "model": prompt.model,
        "messages": prompt.messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if prompt.tools:
        parameters["tools"] = prompt.tools
    if prompt.temperature is not None:
        parameters["temperature"] = prompt.temperature
    return parameters
