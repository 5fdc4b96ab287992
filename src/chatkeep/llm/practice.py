"""The practice model: deterministic, offline, honest about what it is. For trying the service and every feature.

It looks at the last user message. What it can be asked for stands in `HELP`, which is also what it says
to anything it has no rule for.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from chatkeep.assembler import CallDelta, Choice, Chunk, FunctionDelta, MessageDelta, Tokens
from chatkeep.errors import TurnFailed
from chatkeep.llm import Prompt
from chatkeep.llm.rules import Called, ruled

PACE = 0.03
"""Seconds between two words: about as fast as people speak to each other in text."""

HELP = """Hello! I am chatkeep's practice model: I follow fixed rules, I understand nothing, and I need no network. \
To talk to a real model, set OPENAI_API_KEY, or OPENAI_BASE_URL for any OpenAI-compatible server, and start again.

You can ask me to "explain the joke: …", to "tell me a joke", or whether "…" is sarcastic; to "count to 200" \
if you want a long answer to interrupt and resume; to "think" first; to use any other function you name; \
to "call it wrong" to see a call corrected; \
or to "fail with model_rate_limited" (or any other code of a failed run) to see how failures look."""

_TOO_MUCH = re.compile(r"(\w+): Input should be less than or equal to (\d+)")
_NO_SUCH = re.compile(r"(\w+): Input should be '(\w+)'")
_FENCE = re.compile(r"</?data\b[^>]*>")
_FAILURES = {failure.code: failure for failure in TurnFailed.__subclasses__()}


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
    if found := ruled(prompt.messages, offered):
        return _said(found)
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


def _said(found: Iterable[str | Called]) -> _Script:
    for each in found:
        yield from _words(each) if isinstance(each, str) else _call(*each)


def _after_a_call(prompt: Prompt, result: str) -> _Script:
    """Once more with what the error asks for, or what the function answered; an error that asks for nothing is met
    with the same call again, and then with a word of regret.
    """
    if not result.startswith("Error (invalid_arguments)"):
        yield from _words(f"The function answered: {_FENCE.sub('', result)}")
        return
    wrong = [call["function"] for message in prompt.messages for call in message.get("tool_calls", ())]
    arguments = msgspec.json.decode(wrong[-1]["arguments"])
    if too_much := _TOO_MUCH.search(result):
        yield f"You are right, the highest {too_much[1]} is {too_much[2]}. "
        yield from _call(wrong[-1]["name"], {**arguments, too_much[1]: int(too_much[2])})
    elif no_such := _NO_SUCH.search(result):
        yield from _call(wrong[-1]["name"], {**arguments, no_such[1]: no_such[2]})
    elif len(wrong) < 2 or wrong[-1] != wrong[-2]:
        yield from _call(wrong[-1]["name"], arguments)
    else:
        yield from _words("I do not know what is wrong with that.")


def _failing(asked: str) -> _Script:
    code = next((code for code in _FAILURES if code in asked), "model_unavailable")
    yield from _words("I will say a few words, and then fail, as you asked. ")
    raise _FAILURES[code](f"the practice model was asked to fail with {code}")


def _call(name: str, arguments: dict[str, Any]) -> _Script:
    """A function call the way providers stream it: its name first, then its arguments in pieces."""
    yield MessageDelta(tool_calls=[CallDelta(0, f"practice_{name}", FunctionDelta(name, ""))])
    for word in _words(msgspec.json.encode(arguments).decode()):
        yield MessageDelta(tool_calls=[CallDelta(0, None, FunctionDelta(None, word))])


def _words(text: str) -> Iterator[str]:
    return iter(re.findall(r"\S+\s*", text))
