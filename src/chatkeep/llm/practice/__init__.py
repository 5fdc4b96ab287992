"""The practice model: deterministic, offline, honest about what it is. For trying the service and every feature.

It looks at the last user message. What it can be asked for stands in docs/extend.md, as a table; to anything it has
no rule for it says `HELP`. How it finds functions in a message, fills them in, and gets them wrong and right again
stands in the files beside this one.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from chatkeep.errors import TurnFailed
from chatkeep.llm import Prompt
from chatkeep.llm.chunks import CallDelta, Choice, Chunk, FunctionDelta, MessageDelta, TokenCounts
from chatkeep.llm.practice.mentions import Named, named_in
from chatkeep.llm.practice.mistakes import corrected, highest, wrong
from chatkeep.llm.practice.rules import Called, Ruled, ruled
from chatkeep.llm.practice.sampling import free_text, sample
from chatkeep.tools.arguments import InvalidArguments, parse

PACE = 0.03
"""Seconds between two words: about as fast as people speak to each other in text."""

HELP = """Hello! I am chatkeep's practice model: I follow fixed rules, I understand nothing, and I need no network. \
To talk to a real model, set OPENAI_API_KEY, or OPENAI_BASE_URL for any OpenAI-compatible server, and start again.

You can ask me to "explain the joke: …", to "tell me a joke", or whether "…" is sarcastic; to "count to 200" \
if you want a long answer to interrupt and resume; to "think" first; to use any other function: say its name, and its \
arguments as JSON if you like; to "call it wrong" to see a call corrected; or to "fail with model_rate_limited". \
All that I understand is in docs/extend.md, under “What the practice model understands”."""

NOBODYS = "function_that_nobody_offers"
"""What it calls when it is asked to call something unknown."""

_FENCE = re.compile(r"</?data\b[^>]*>")
_INVALID = "Error (invalid_arguments): "
_UNKNOWN = "Error (unknown_function): "
_SHOWN = "Shown to the user."
_FAILURES = {failure.code: failure for failure in TurnFailed.__subclasses__()}


_Script = Iterator[MessageDelta | Choice | str]
"""What is said word by word; a choice says why it ends."""


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
        finish_reason: str | None = "stop"
        for item in _script(prompt):
            if isinstance(item, Choice):
                finish_reason = item.finish_reason
                break
            delta = item if isinstance(item, MessageDelta) else MessageDelta(content=item)
            finish_reason = "tool_calls" if delta.tool_calls else finish_reason
            words += 1
            yield [Chunk([Choice(delta)])]
            await asyncio.sleep(self._pace)
        size = len(msgspec.json.encode(list(prompt.messages)))
        yield [Chunk([Choice(None, finish_reason)], TokenCounts(size // 4, words))]

    async def close(self) -> None:
        """Nothing is held."""


def _script(prompt: Prompt) -> _Script:
    """What is said, word by word.

    Raises:
        TurnFailed: it was asked to fail.
    """
    if prompt.messages[-1]["role"] == "tool":
        return _after_calls(prompt)
    asked = _asked(prompt)
    low = asked.lower()
    offered = _offered(prompt)
    named = named_in(asked, list(offered))
    if (mistaken := _mistaken(prompt, low, named)) is not None:
        return mistaken
    if len(named) < 2 and not any(each.exactly for each in named) and (found := ruled(prompt.messages, offered)):
        return _said(found)
    if named:
        return _said([each for one in named for each in _called(prompt, one)])
    return _spoken(low)


def _asked(prompt: Prompt) -> str:
    return next(str(message["content"]) for message in reversed(prompt.messages) if message["role"] == "user")


def _offered(prompt: Prompt) -> Mapping[str, Mapping[str, Any]]:
    """The functions on offer: the schemas of their arguments, by name."""
    return {tool["function"]["name"]: tool["function"]["parameters"] for tool in prompt.tools}


def _called(prompt: Prompt, named: Named) -> Ruled:
    """What is said and called where a function is named: with what the user said, or its rule, or the schema does."""
    if named.arguments is not None:
        return (Called(named.name, named.arguments),)
    schema = _offered(prompt)[named.name]
    in_words = _asked(prompt).replace(named.name, named.name.replace("_", " "))
    by_rule = ruled([*prompt.messages[:-1], {"role": "user", "content": in_words}], [named.name])
    made = by_rule or (Called(named.name, sample(schema)),)
    field = free_text(schema)
    if named.quoted is None or field is None:
        return made
    return [
        Called(each.name, {**each.arguments, field: named.quoted})
        if isinstance(each, Called) and isinstance(each.arguments, dict)
        else each
        for each in made
    ]


def _mistaken(prompt: Prompt, low: str, named: Sequence[Named]) -> _Script | None:
    """A mistake, if one is asked for and can be made."""
    if "call something unknown" in low:
        return _call(0, NOBODYS, "{}")
    if "stop early" in low:
        return _stopping(
            _said(_called(prompt, named[0])) if named else _words("I will say a few words and then be cut")
        )
    offered = _offered(prompt)
    if not offered or not ("call it wrong" in low or "call it broken" in low):
        return None
    name = named[0].name if named else "detect_sarcasm" if "detect_sarcasm" in offered else next(iter(offered))
    meant = _meant(prompt, name)
    text = wrong(offered[name], meant) if "call it wrong" in low else _json(meant)[:-1]
    return _call(0, name, text)


def _meant(prompt: Prompt, name: str) -> dict[str, Any]:
    """The arguments that a call of `name` has, if nothing goes wrong with it."""
    schema = _offered(prompt).get(name, {})
    named = named_in(_asked(prompt), [name])
    calls = _called(prompt, named[0]) if named and schema else ruled(prompt.messages, [name])
    found = [_object(each.arguments) for each in calls if isinstance(each, Called)]
    return next(iter(found), None) or sample(schema)


def _object(arguments: dict[str, Any] | str) -> dict[str, Any] | None:
    try:
        return parse(arguments) if isinstance(arguments, str) else arguments
    except InvalidArguments:
        return None


def _stopping(script: _Script) -> _Script:
    """The first half, and then the end that a provider makes of an answer that is too long."""
    whole = list(script)
    yield from whole[: (len(whole) + 1) // 2]
    yield Choice(None, "length")


def _spoken(low: str) -> _Script:
    if re.search(r"\brefuse\b", low):
        return (MessageDelta(refusal=word) for word in _words("You asked me to refuse, and so I do: no."))
    if re.search(r"\bfail\b", low):
        return _failing(low)
    if "think" in low:
        thoughts = [MessageDelta(reasoning_content=word) for word in _words("The user wants me to think.")]
        return iter([*thoughts, "Done thinking."])
    if match := re.search(r"count to (\d{1,5})", low):
        return (f"{number} " for number in range(1, int(match[1]) + 1))
    return _words(HELP)


def _failing(low: str) -> _Script:
    code = next((code for code in _FAILURES if code in low), None)
    if code is None and (wanted := re.search(r"\bfail with [\"'`“]?([\w-]+)", low)):
        yield from _words(f"I cannot fail with {wanted[1]}. I can fail with: {', '.join(_FAILURES)}.")
        return
    code = code or "model_unavailable"
    yield from _words("I will say a few words, and then fail, as you asked. ")
    raise _FAILURES[code](f"the practice model was asked to fail with {code}")


class _Result(NamedTuple):
    """A call of the last step, as the provider's messages have it, and what came of it."""

    function: Mapping[str, str]
    content: str


def _after_calls(prompt: Prompt) -> _Script:
    """The calls that were not valid once more, as the errors ask; else what the functions answered."""
    calls = {call["id"]: call["function"] for message in prompt.messages for call in message.get("tool_calls", ())}
    results: list[_Result] = []
    for message in reversed(prompt.messages):
        if message["role"] != "tool":
            break
        results.insert(0, _Result(calls.get(message["tool_call_id"], {}), str(message["content"])))
    if invalid := [each for each in results if each.content.startswith(_INVALID)]:
        yield from _said([each for one in invalid for each in _correction(prompt, one)])
        return
    for function, content in results:
        if content.startswith(_UNKNOWN):
            yield from _words(f"I was told: {content.removeprefix(_UNKNOWN)}. ")
        elif content != _SHOWN:
            which = "The function" if len(results) == 1 else f"`{function['name']}`"
            yield from _words(f"{which} answered: {_FENCE.sub('', content)}" + ("\n\n" if len(results) > 1 else ""))


def _correction(prompt: Prompt, failed: _Result) -> Ruled:
    """The call again, with what the error asks for; an error that asks for nothing is met with the same call again,
    and then with a word of regret.
    """
    name, error = failed.function["name"], failed.content.removeprefix(_INVALID)
    arguments = msgspec.json.decode(failed.function["arguments"])
    again = corrected(_offered(prompt).get(name, {}), arguments, _meant(prompt, name), error)
    before = [call["function"] for message in prompt.messages for call in message.get("tool_calls", ())]
    if again == arguments and before.count(dict(failed.function)) > 1:
        return ("I do not know what is wrong with that.",)
    if most := highest(error):
        return (f"You are right, the highest {most[0]} is {most[1]}. ", Called(name, again))
    return (Called(name, again),)


def _said(found: Ruled) -> _Script:
    index = 0
    for each in found:
        if isinstance(each, str):
            yield from _words(each)
        else:
            yield from _call(
                index, each.name, each.arguments if isinstance(each.arguments, str) else _json(each.arguments)
            )
            index += 1


def _call(index: int, name: str, arguments: str) -> _Script:
    """A function call the way providers stream it: its name first, then its arguments in pieces."""
    call_id = f"practice_{name}_{index}" if index else f"practice_{name}"
    yield MessageDelta(tool_calls=[CallDelta(index, call_id, FunctionDelta(name, ""))])
    for word in _words(arguments):
        yield MessageDelta(tool_calls=[CallDelta(index, None, FunctionDelta(None, word))])


def _json(arguments: Mapping[str, Any]) -> str:
    return msgspec.json.encode(arguments).decode()


def _words(text: str) -> Iterator[str]:
    return iter(re.findall(r"\S+\s*", text))
