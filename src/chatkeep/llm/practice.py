"""The practice model: deterministic, offline, honest about what it is. For trying the service and every feature.

It looks at the last user message. What it can be asked for stands in `HELP`, which is also what it says
to anything it has no rule for.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

import msgspec

from chatkeep.assembler import CallDelta, Choice, Chunk, FunctionDelta, MessageDelta, Tokens
from chatkeep.errors import TurnFailed
from chatkeep.llm import Prompt

PACE = 0.03
"""Seconds between two words: about as fast as people speak to each other in text."""

HELP = """Hello! I am chatkeep's practice model: I follow fixed rules, I understand nothing, and I need no network. \
To talk to a real model, set OPENAI_API_KEY, or OPENAI_BASE_URL for any OpenAI-compatible server, and start again.

You can ask me to "explain the joke: …", to "tell me a joke", or whether "…" is sarcastic; to "count to 200" \
if you want a long answer to interrupt and resume; to "think" first; to use any other function you name; \
to "call it wrong" to see a call corrected; \
or to "fail with model_rate_limited" (or any other code of a failed run) to see how failures look."""

_FENCE = re.compile(r"</?data\b[^>]*>")
_FAILURES = {failure.code: failure for failure in TurnFailed.__subclasses__()}
_CHICKEN = {
    "setup": "Why did the chicken cross the road? To get to the other side.",
    "premise": "A question like that promises a clever reason, so you wait for a twist.",
    "punchline": "There is none: the chicken just wanted to be on the other side. The plain truth is the surprise.",
}
_JOKE = "I would tell you a joke about streaming, but you would only get it one token at a time."

_Script = Iterator[MessageDelta | str]


class Practice:
    """See the head of this file."""

    def __init__(self, pace: float = PACE) -> None:
        """`pace`: seconds between two words."""
        self._pace = pace

    def name(self, wanted: str) -> str:
        """Always `practice`: nobody shall take its answers for a model's."""
        del wanted
        return "practice"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        """See `Model.stream`."""
        words = 0
        finish_reason = "stop"
        for item in _script(prompt):
            delta = item if isinstance(item, MessageDelta) else MessageDelta(content=item)
            finish_reason = "tool_calls" if delta.tool_calls else finish_reason
            words += 1
            yield [Chunk([Choice(delta)])]
            await asyncio.sleep(self._pace)
        size = len(msgspec.json.encode(list(prompt.messages)))
        yield [Chunk([Choice(None, finish_reason)], Tokens(size // 4, words))]

    async def close(self) -> None:
        """Nothing is held."""


def _script(prompt: Prompt) -> _Script:
    """What is said, word by word.

    Raises:
        TurnFailed: it was asked to fail.
    """
    last = prompt.messages[-1]
    if last["role"] == "tool":
        return _after_a_call(prompt, str(last["content"]))
    asked = str(last["content"])
    offered = {tool["function"]["name"] for tool in prompt.tools}
    low = asked.lower()
    if "call it wrong" in low and "detect_sarcasm" in offered:
        return _call("detect_sarcasm", {"quote": "This is going well.", "score": 12})
    if "explain" in low and "joke" in low and "explain_joke" in offered:
        return _call("explain_joke", _explained(asked))
    if "sarcas" in low and "detect_sarcasm" in offered:
        return _call("detect_sarcasm", {"quote": _quoted(asked), "score": 9 if "!" in asked else 5})
    if "joke" in low and "tell_joke" in offered:
        return _call("tell_joke", {"text": _JOKE})
    if named := next((tool for tool in prompt.tools if _spoken(tool["function"]["name"]) in low), None):
        return _call(named["function"]["name"], _sample(named["function"]["parameters"]))
    if "fail" in low:
        return _failing(low)
    if "think" in low:
        return iter(
            [MessageDelta(reasoning_content=word) for word in _words("The user wants me to think.")]
            + ["Done thinking."]
        )
    if match := re.search(r"count to (\d{1,5})", low):
        return (f"{number} " for number in range(1, int(match[1]) + 1))
    return _words(HELP)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _sample(schema: dict[str, Any]) -> Any:
    """Something that fits a simple JSON Schema; for the rest, the service will say what is wrong with it."""
    match schema:
        case {"enum": [first, *_]} | {"default": first}:
            return first
        case {"type": "object"}:
            return {name: _sample(each) for name, each in schema.get("properties", {}).items()}
        case {"type": "array"}:
            return [_sample(schema.get("items", {})) for _ in range(schema.get("minItems", 1))]
        case {"type": "integer" | "number"}:
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case {"type": "boolean"}:
            return True
        case _:
            return "practice"


def _after_a_call(prompt: Prompt, result: str) -> _Script:
    if result.startswith("Error (invalid_arguments)"):
        yield "You are right, the highest score is 9. "
        yield from _call("detect_sarcasm", {"quote": "This is going well.", "score": 9})
    else:
        yield from _words(f"The function answered: {_FENCE.sub('', result)}")


def _failing(asked: str) -> _Script:
    code = next((code for code in _FAILURES if code in asked), "model_unavailable")
    yield from _words("I will say a few words, and then fail, as you asked. ")
    raise _FAILURES[code](f"the practice model was asked to fail with {code}")


def _call(name: str, arguments: dict[str, Any]) -> _Script:
    """A function call the way providers stream it: its name first, then its arguments in pieces."""
    yield MessageDelta(tool_calls=[CallDelta(0, f"practice_{name}", FunctionDelta(name, ""))])
    for word in _words(msgspec.json.encode(arguments).decode()):
        yield MessageDelta(tool_calls=[CallDelta(0, None, FunctionDelta(None, word))])


def _explained(asked: str) -> dict[str, str]:
    joke = asked.partition(":")[2].strip() or asked.strip()
    if "chicken" in joke.lower():
        return _CHICKEN
    return {
        "setup": joke,
        "premise": "It leads you to expect something sensible.",
        "punchline": "Then it does something else. (A real model would explain how.)",
    }


def _quoted(asked: str) -> str:
    match = re.search(r"[\"“„'](.+)[\"”“']", asked)
    return match[1] if match else asked.strip()


def _words(text: str) -> Iterator[str]:
    return iter(re.findall(r"\S+\s*", text))
