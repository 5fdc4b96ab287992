"""A provider that counts the tokens that it reports, and fails in the way that the user's message names."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.faults.upstream import Upstream
from tests.provider import Answer, ProviderRequest, refuses, streams, text_chunks

LASTING = ("abort", "crash")
"""First words of messages whose answer stalls in the middle, until the client or the service has gone."""
_MESSAGE = re.compile(r"^([a-z_]+) (\d+)$")


class Tokens(NamedTuple):
    """Tokens of a call, or of several."""

    input: int
    cached_input: int
    output: int
    reasoning: int


class CountingUpstream(Upstream):
    """`counted` are the tokens that it reported, `kinds` its requests by the kind of their message.

    `stalled` has the messages whose answer stalls.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.counted = Tokens(0, 0, 0, 0)
        self.kinds: Counter[str] = Counter()
        self.stalled: set[str] = set()
        self._rng = random.Random(seed)

    async def _answer(self, request: ProviderRequest, writer: Any) -> None:
        user_texts = [each["content"] for each in request.body["messages"] if each["role"] == "user"]
        text = next(line for each in reversed(user_texts) for line in each.split("\n\n")[::-1] if _MESSAGE.match(line))
        kind = text.partition(" ")[0]
        self.kinds[kind] += 1
        if kind in LASTING:
            self.stalled.add(text)
        await _FAULTS[kind](self, self.kinds[kind], request)(request, writer)

    def report(self) -> bytes:
        """Return a chunk that reports the usage of a call, in one of the ways in which providers do, and count it."""
        rng = self._rng
        prompt, shown, thought = rng.randint(1, 100_000), rng.randint(0, 5_000), rng.choice((0, rng.randint(1, 900)))
        cached = rng.choice((0, rng.randint(0, prompt)))
        usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": shown + thought}
        usage["total_tokens"] = prompt + shown + thought
        details = {"completion_tokens_details": {"reasoning_tokens": thought}}
        cache = {"prompt_tokens_details": {"cached_tokens": cached}}
        match rng.choice(("openai", "deepseek", "xai", "gemini", "text")):
            case "openai":
                usage |= {**details, **cache}
            case "deepseek":
                usage |= {**details, "prompt_cache_hit_tokens": cached}
            case "xai":
                usage |= {**details, **cache, "completion_tokens": shown}
            case "gemini":
                usage |= {**cache, "completion_tokens": shown}
            case _:
                usage = {"prompt_tokens": str(prompt), "completion_tokens": float(shown + thought)}
                cached = thought = 0
                shown = int(usage["completion_tokens"])
        one = Tokens(prompt, cached, shown + thought, thought)
        self.counted = Tokens(*map(sum, zip(self.counted, one, strict=True)))
        return b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"

    def whole(self, *texts: str, reason: str = "stop") -> Answer:
        """Return a whole answer, with its usage."""
        *chunks, done = text_chunks(*texts, reason=reason, usage=None)
        return streams(*chunks, self.report(), done)


Fault = Callable[[CountingUpstream, int, ProviderRequest], Answer]
_BEGUN = text_chunks("To get", " to the ", reason=None, usage=None)[:-1]
_GARBAGE = b"data: {not json\n\n"


def _torn_after_usage(upstream: CountingUpstream, number: int, request: ProviderRequest) -> Answer:
    return streams(*text_chunks("Well.", usage=None)[:-1], upstream.report(), end=False)


def _refused_once(upstream: CountingUpstream, number: int, request: ProviderRequest) -> Answer:
    return upstream.whole("At last.") if number % 2 == 0 else refuses(503, {"error": {"message": "not now"}})


def _wrong_call(upstream: CountingUpstream, number: int, request: ProviderRequest) -> Answer:
    """Return a call of no function, then, as it was not done, an answer."""
    if request.body["messages"][-1]["role"] == "tool":
        return upstream.whole("Without it, then.")
    call = {"index": 0, "id": f"c{number}", "function": {"name": "no_such_function", "arguments": "{}"}}
    chunk = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}).encode() + b"\n\n"
    *end, done = text_chunks(reason="tool_calls", usage=None)
    return streams(chunk, *end, upstream.report(), done)


def _falls_back(upstream: CountingUpstream, number: int, request: ProviderRequest) -> Answer:
    """Die in the middle if the first model is asked; the second one goes on."""
    return streams(*_BEGUN, end=False) if request.body["model"] == "first" else upstream.whole("other side.")


_FAULTS: Mapping[str, Fault] = {
    "plain": lambda upstream, number, request: upstream.whole("To get", " to the ", "other side."),
    "length": lambda upstream, number, request: upstream.whole("To get", reason="length"),
    "silent": lambda upstream, number, request: streams(*text_chunks("No usage.", usage=None)),
    "torn": lambda upstream, number, request: streams(*_BEGUN, end=False),
    "torn_after_usage": _torn_after_usage,
    "cut": lambda upstream, number, request: streams(*_BEGUN),
    "refused_once": _refused_once,
    "refused": lambda upstream, number, request: refuses(500, {"error": {"message": "no"}}),
    "rejected": lambda upstream, number, request: refuses(400, {"error": {"message": "too odd"}}),
    "page": lambda upstream, number, request: refuses(200, "<html>It works!</html>"),
    "garbage": lambda upstream, number, request: streams(*_BEGUN, _GARBAGE),
    "wrong_call": _wrong_call,
    "falls_back": _falls_back,
    "abort": lambda upstream, number, request: streams(*_BEGUN, 3600.0),
    "crash": lambda upstream, number, request: streams(*_BEGUN, 3600.0),
}
KINDS = tuple(kind for kind in _FAULTS if kind not in LASTING)
"""First words of messages whose answer ends by itself."""
