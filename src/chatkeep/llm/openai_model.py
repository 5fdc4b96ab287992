"""Any OpenAI-compatible model, through the OpenAI SDK: the only file that imports it.

The SDK builds the request, authenticates, and checks the answer. The body is read as bytes and parsed by
`sse_parser.py`: the SDK's own typed stream costs some hundred times more per chunk
(`docs/decisions/0003-raw-stream.md`).
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
import msgspec
import openai

from chatkeep.errors import CannotStart, TurnFailed
from chatkeep.llm import ModelInfo, Prompt
from chatkeep.llm.apis import COMPLETIONS, Api
from chatkeep.llm.chunks import Chunk
from chatkeep.llm.http.bounds import bound_response
from chatkeep.llm.http.client import ProviderClient
from chatkeep.llm.http.replay import RequestReplay
from chatkeep.llm.http.transport import RESPONSE_BODY, ResponseBody
from chatkeep.llm.provider_errors import is_retryable, retry_after_seconds, translate_error
from chatkeep.llm.refused_fields import RefusedFields, find_refused
from chatkeep.llm.sse_parser import SseParser
from chatkeep.settings import Settings
from chatkeep.settings.models_file import ProviderEntry
from chatkeep.watch import metrics

_JSON = {"content-type": "application/json"}
_NO_KEY = "none"
"""A server at home asks for no key; the SDK insists on one."""

RETRY_AFTER_LIMIT_SECONDS = 20.0
"""The longest `Retry-After` that is waited for; beyond it the run fails and says so."""
_FAILURES = (openai.OpenAIError, httpx2.HTTPError, OSError, ValueError)
"""The errors of the provider, of the network, and of the SDK."""
_log = logging.getLogger("chatkeep")


class OpenAIModel:
    """A model behind an OpenAI-compatible HTTP API."""

    def __init__(self, settings: Settings, provider: ProviderEntry | None = None, api: Api = COMPLETIONS) -> None:
        """Connect to `provider` over `api`; without a provider, to that of `settings`, which have all limits.

        Raises:
            ValueError, CannotStart: the key of `provider` cannot be read.
        """
        self._settings = settings
        self._provider = provider
        self._api = api
        self._refused = RefusedFields()
        self._key = self._read_key()
        base = urlsplit(provider.base_url if provider else settings.base_url)
        self._path = api.path + (f"?{base.query}" if base.query else "")  # the SDK would put it before the path
        self._replay = RequestReplay()
        self._client = openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY,
            base_url=base._replace(query="").geturl(),
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=settings.connect_timeout),
            http_client=ProviderClient(settings.max_runs),
        )

    def name(self, requested: str) -> str:
        """Return the provider's own name of the model."""
        return requested

    def describe(self, requested: str) -> ModelInfo:
        """Return the host of the provider, with the API unless it is the usual one, and the name as it is."""
        host = self._client.base_url.host + self._api.state_suffix
        return ModelInfo(host, requested, input=self._settings.default_input)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        """See `Model.stream`. Errors that may pass are retried, before the first chunk only."""
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
        """Close all connections."""
        await self._client.close()

    async def _open_with_retries(self, prompt: Prompt) -> "_ChunkStream":
        """Return the answer, with its first chunks."""
        for left in range(self._settings.model_retries, -1, -1):
            try:
                answer = await self._open_stream(prompt)
                metrics.count_provider_request(self._client.base_url.host, "ok")
                return answer
            except (TurnFailed, *_FAILURES) as error:
                failure = translate_error(error, self._key)
                metrics.count_provider_request(self._client.base_url.host, failure.code)
                if left == 0 or not is_retryable(error):
                    raise failure from error
                pause = retry_after_seconds(error)
                if pause is not None and pause > RETRY_AFTER_LIMIT_SECONDS:
                    raise type(failure)(f"{failure} (the provider asks to wait {pause:.0f} s)") from error
            metrics.PROVIDER_RETRIES.labels(self._client.base_url.host).inc()
            if pause is None:
                attempt = self._settings.model_retries - left
                pause = 0.25 * 2**attempt * random.uniform(1, 2)  # noqa: S311  # keeps callers apart, no secret
            prompt.on_retry(failure, pause)
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _open_stream(self, prompt: Prompt) -> "_ChunkStream":
        deadline = asyncio.get_running_loop().time() + self._settings.first_byte_timeout
        request, key = self._api.build_request(prompt, self._refused.of(prompt)), self._key
        try:
            body = await self._send(msgspec.json.encode(request), deadline)
        except openai.APIStatusError as error:
            if not self._learn_refused(request, error) and not await self._renew_key(key, error):
                raise
            prompt.on_retry(translate_error(error, key), 0)
            return await self._open_stream(prompt)
        answer = _ChunkStream(body, self._api.parser(self._key), self._settings.idle_timeout)
        try:
            await answer.fetch(deadline)
        except BaseException:
            await answer.close()
            raise
        return answer

    def _learn_refused(self, request: Mapping[str, Any], error: openai.APIStatusError) -> bool:
        """Return True if `error` refuses fields of `request` that it can do without; they are not sent any more."""
        if error.status_code not in (400, 422):
            return False
        names = find_refused(request, error.body if error.body is not None else error.message)
        if names and (new := self._refused.add(request["model"], names)):
            _log.warning("the model %r refuses %s; not sent any more", request["model"], ", ".join(sorted(new)))
        return bool(names)

    async def _renew_key(self, used: str | None, error: openai.APIStatusError) -> bool:
        """Return True if the key `used` was refused and there is another by now: it is read again."""
        if error.status_code != 401:
            return False
        self._replay.forget()  # the head has a key in it
        if self._key == used:
            try:
                self._key = await asyncio.to_thread(self._read_key)
            except (ValueError, CannotStart) as problem:
                _log.error("the key of %s cannot be read again: %s", self._client.base_url.host, problem)
            self._client.api_key = self._key or _NO_KEY
        return self._key != used

    def _read_key(self) -> str | None:
        if self._provider is not None:
            return self._provider.read_key()
        return self._settings.read_key()

    async def _send(self, content: bytes, deadline: float) -> "ResponseBody | _SdkBody":
        """Send a request with that body; return the body of its response as soon as its head is there.

        Raises:
            TimeoutError: the response did not begin before `deadline`, in the event loop's time.
            openai.OpenAIError: there is none, or it is an error.
        """
        response = await self._send_again(content, deadline)
        if response is None or response.is_redirect:
            return _body(await self._send_with_sdk(content, deadline))
        if response.is_success:
            return _body(response)
        async with asyncio.timeout_at(deadline):
            raise await _status_error(response)

    async def _send_again(self, content: bytes, deadline: float) -> httpx2.Response | None:
        """Send the request with the head of an earlier one, if there is one to send (`llm/http/replay.py`)."""
        replay = self._replay
        if replay.request is None:
            return None
        request = replay.request
        try:
            response = await replay.send(content, deadline)
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request) from error
        except httpx2.HTTPError as error:
            raise openai.APIConnectionError(request=request) from error
        if response is not None:
            await bound_response(response)
        if response is not None and response.is_redirect:
            replay.forget()  # the provider has moved: the SDK follows
            await response.aclose()
        return response

    async def _send_with_sdk(self, content: bytes, deadline: float) -> httpx2.Response:
        async with asyncio.timeout_at(deadline):
            answer: object = (
                await self._client.post(  # its door for plain requests; `create` looks at each parameter's type
                    self._path,
                    cast_to=httpx2.Response,
                    content=content,
                    options={"headers": _JSON},
                    stream=True,
                    stream_cls=openai.AsyncStream[Any],
                )
            )
        response = cast("httpx2.Response", answer)  # `cast_to` wins over `stream_cls`, whatever the types say
        self._replay.learn(response)
        return response


class _ChunkStream:
    """An answer as it comes. Its newest chunks are in `chunks` until they are taken."""

    __slots__ = ("_body", "_idle_seconds", "_loop", "_parser", "chunks")

    def __init__(self, body: "ResponseBody | _SdkBody", parser: SseParser, idle_seconds: float) -> None:
        """`idle_seconds` is how long the provider may be silent."""
        self.chunks: Sequence[Chunk] = ()
        self._body = body
        self._parser = parser
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()

    async def fetch(self, deadline: float | None = None) -> bool:
        """Wait for the next chunks, until `deadline` (event loop's time) if one is given. False at the end.

        Raises:
            TurnFailed: the provider reported an error, or is not understood.
            TimeoutError: it fell silent.
            httpx2.ReadError: the connection broke.
        """
        parser = self._parser
        while not self.chunks and not parser.done and parser.failure is None:
            data = await self._body.read(deadline or self._loop.time() + self._idle_seconds)
            self.chunks, deadline = parser.feed(data) if data else parser.finish(), None
        if not self.chunks and parser.failure is not None:
            raise parser.failure
        return bool(self.chunks)

    def take(self) -> Sequence[Chunk]:
        """Return `chunks`, and hold them no longer."""
        chunks, self.chunks = self.chunks, ()
        return chunks

    async def close(self) -> None:
        """Stop reading and release the connection."""
        await self._body.close(is_done=self._parser.done)


async def _status_error(response: httpx2.Response) -> openai.APIStatusError:
    """Return the SDK's error for a response that is no success, with the message that the SDK would give it."""
    try:
        await response.aread()
    finally:
        await response.aclose()
    message = f"Error code: {response.status_code}"
    try:
        body: Any = response.json()
    except ValueError:
        return openai.APIStatusError(response.text.strip() or message, response=response, body=None)
    error: Any = cast("dict[str, Any]", body).get("error", body) if isinstance(body, dict) else body
    return openai.APIStatusError(f"{message} - {body}", response=response, body=error)


def _body(response: httpx2.Response) -> "ResponseBody | _SdkBody":
    """Return the body of `response`; nothing else of it stays in memory while it is read."""
    body = response.extensions.get(RESPONSE_BODY)
    if isinstance(body, ResponseBody):
        return body
    return _SdkBody(response)


class _SdkBody:
    """A body that httpx2 reads; used like `ResponseBody`."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._pieces = response.aiter_bytes()

    async def read(self, deadline: float) -> bytes:
        async with asyncio.timeout_at(deadline):
            return await anext(self._pieces, b"")

    async def close(self, *, is_done: bool) -> None:
        del is_done
        await self._response.aclose()
