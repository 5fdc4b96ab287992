"""The practice model: deterministic, offline, and open about what it is. For trying the service and every feature.

It answers the last user message. docs/practice-model.md has a table of all that it understands; it answers anything
else with `HELP`. An answer is made in this order:

1. After tool calls: correct the calls that were not valid (`mistakes.py`), or else repeat the outputs in words. It
   describes the files of a message first, and answers its text then (`given_files.py`).
2. A mistake, if the message asks for one.
3. A rule for a function that comes with chatkeep (`rules.py`), if the message names at most one function, in words.
4. Calls of the functions that the message names (`mentions.py`), with arguments that fit (`sampling.py`).
5. Words: a refusal, a failure, reasoning, numbers, or `HELP`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from chatkeep.errors import TurnFailed
from chatkeep.llm import ModelInfo, Prompt
from chatkeep.llm.chunks import CallDelta, Choice, Chunk, FunctionDelta, MessageDelta, TokenCounts
from chatkeep.llm.practice.given_files import count_tokens, read_message, without_files
from chatkeep.llm.practice.mentions import Mention, find_mentions
from chatkeep.llm.practice.mistakes import correct, find_maximum, make_invalid
from chatkeep.llm.practice.rules import Plan, PlannedCall, apply_rules
from chatkeep.llm.practice.sampling import find_free_text, sample
from chatkeep.tools.arguments import InvalidArguments, parse_arguments

PACE_SECONDS = 0.03
"""Seconds between two words: about as fast as people chat."""

HELP = """Hello! I am chatkeep's practice model: I follow fixed rules, I understand nothing, and I need no network. \
To talk to a real model, set OPENAI_API_KEY, or OPENAI_BASE_URL for any OpenAI-compatible server, and start again.

You can ask me to "explain the joke: …", to "tell me a joke", or whether "…" is sarcastic; to "count to 200" \
if you want a long answer to interrupt and resume; to "think" first; to use any other function: say its name, and its \
arguments as JSON if you like; to "call it wrong" to see a call corrected; or to "fail with model_rate_limited". \
All that I understand is in docs/extend.md, under “What the practice model understands”."""

UNKNOWN_FUNCTION = "function_that_nobody_offers"
"""The function that it calls when it is asked to call something unknown."""

_DATA_TAGS = re.compile(r"</?data\b[^>]*>")
"""The tags that a prompt puts around the output of a function."""
_INVALID_PREFIX = "Error (invalid_arguments): "
_UNKNOWN_PREFIX = "Error (unknown_function): "
_SHOWN_OUTPUT = "Shown to the user."
"""The output of a reply, in a prompt."""
_FAILURES = {failure.code: failure for failure in TurnFailed.__subclasses__()}

_Stream = Iterator[MessageDelta | Choice | str]
"""An answer piece by piece: text, other deltas, and a choice with the reason why the answer ends."""


class Practice:
    """A model (`chatkeep.llm.Model`) that follows fixed rules; see the head of this file."""

    def __init__(self, pace: float = PACE_SECONDS) -> None:
        """`pace`: seconds between two words."""
        self._pace = pace

    def name(self, requested: str) -> str:
        """Return `practice`, so that its answers are never taken for those of the model `requested`."""
        del requested
        return "practice"

    def describe(self, requested: str) -> ModelInfo:
        """Return `practice` for both names."""
        return ModelInfo(self.name(requested), self.name(requested), input=("text", "image", "audio"))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        """See `Model.stream`."""
        words = 0
        finish_reason: str | None = "stop"
        for item in _answer(prompt):
            if isinstance(item, Choice):
                finish_reason = item.finish_reason
                break
            delta = item if isinstance(item, MessageDelta) else MessageDelta(content=item)
            finish_reason = "tool_calls" if delta.tool_calls else finish_reason
            words += 1
            yield [Chunk([Choice(delta)])]
            await asyncio.sleep(self._pace)
        yield [Chunk([Choice(None, finish_reason)], TokenCounts(count_tokens(prompt.messages), words))]

    async def close(self) -> None:
        """Do nothing: there is no connection."""


def _answer(prompt: Prompt) -> _Stream:
    """Return the answer to `prompt`.

    Raises:
        TurnFailed: the message asks for a failure; raised while the answer is iterated.
    """
    if prompt.messages[-1]["role"] == "tool":
        return _answer_outputs(prompt)
    given = read_message(prompt.messages[-1])
    prompt = prompt._replace(messages=[without_files(message) for message in prompt.messages])
    if given.description:
        return chain(_split_words(given.description), _answer_message(prompt) if given.text else ())
    return _answer_message(prompt)


def _answer_message(prompt: Prompt) -> _Stream:
    message = _last_user_message(prompt)
    lower = message.lower()
    schemas = _offered_schemas(prompt)
    mentions = find_mentions(message, list(schemas))
    if (mistake := _answer_with_mistake(prompt, lower, mentions)) is not None:
        return mistake
    is_exact = any(each.is_exact for each in mentions)
    if len(mentions) < 2 and not is_exact and (plan := apply_rules(prompt.messages, schemas)):
        return _stream_plan(plan)
    if mentions:
        return _stream_plan([step for mention in mentions for step in _plan_mention(prompt, mention)])
    return _answer_in_words(lower)


def _last_user_message(prompt: Prompt) -> str:
    return next(str(message["content"]) for message in reversed(prompt.messages) if message["role"] == "user")


def _offered_schemas(prompt: Prompt) -> Mapping[str, Mapping[str, Any]]:
    """Return the schemas of the arguments of the functions on offer, by name."""
    return {tool["function"]["name"]: tool["function"]["parameters"] for tool in prompt.tools}


def _plan_mention(prompt: Prompt, mention: Mention) -> Plan:
    """Plan the call of a function that is named, with arguments from the message, from its rule, or from its schema."""
    if mention.arguments is not None:
        return (PlannedCall(mention.name, mention.arguments),)
    schema = _offered_schemas(prompt)[mention.name]
    in_words = _last_user_message(prompt).replace(mention.name, mention.name.replace("_", " "))
    by_rule = apply_rules([*prompt.messages[:-1], {"role": "user", "content": in_words}], [mention.name])
    plan = by_rule or (PlannedCall(mention.name, sample(schema)),)
    field = find_free_text(schema)
    if mention.quoted is None or field is None:
        return plan
    return [
        PlannedCall(each.name, {**each.arguments, field: mention.quoted})
        if isinstance(each, PlannedCall) and isinstance(each.arguments, dict)
        else each
        for each in plan
    ]


def _answer_with_mistake(prompt: Prompt, lower: str, mentions: Sequence[Mention]) -> _Stream | None:
    """Return an answer with the mistake that the message (in lower case) asks for.

    None if it asks for none, or if no function is on offer that could be called wrong.
    """
    if "call something unknown" in lower:
        return _stream_call(0, UNKNOWN_FUNCTION, "{}")
    if "stop early" in lower:
        return _cut_off(
            _stream_plan(_plan_mention(prompt, mentions[0]))
            if mentions
            else _split_words("I will say a few words and then be cut")
        )
    schemas = _offered_schemas(prompt)
    if not schemas or not ("call it wrong" in lower or "call it broken" in lower):
        return None
    name = mentions[0].name if mentions else "detect_sarcasm" if "detect_sarcasm" in schemas else next(iter(schemas))
    intended = _intended_arguments(prompt, name)
    wrong = make_invalid(schemas[name], intended) if "call it wrong" in lower else _encode(intended)[:-1]
    return _stream_call(0, name, wrong)


def _intended_arguments(prompt: Prompt, name: str) -> dict[str, Any]:
    """Return the arguments of a call of `name` without a mistake."""
    schema = _offered_schemas(prompt).get(name, {})
    mentions = find_mentions(_last_user_message(prompt), [name])
    plan = _plan_mention(prompt, mentions[0]) if mentions and schema else apply_rules(prompt.messages, [name])
    arguments = [_parse_or_none(each.arguments) for each in plan if isinstance(each, PlannedCall)]
    return next(iter(arguments), None) or sample(schema)


def _parse_or_none(arguments: dict[str, Any] | str) -> dict[str, Any] | None:
    try:
        return parse_arguments(arguments) if isinstance(arguments, str) else arguments
    except InvalidArguments:
        return None


def _cut_off(answer: _Stream) -> _Stream:
    """Return the first half of an answer, ended as a provider ends an answer that is too long."""
    pieces = list(answer)
    yield from pieces[: (len(pieces) + 1) // 2]
    yield Choice(None, "length")


def _answer_in_words(lower: str) -> _Stream:
    if re.search(r"\brefuse\b", lower):
        return (MessageDelta(refusal=word) for word in _split_words("You asked me to refuse, and so I do: no."))
    if re.search(r"\bfail\b", lower):
        return _fail(lower)
    if "think" in lower:
        thoughts = [MessageDelta(reasoning_content=word) for word in _split_words("The user wants me to think.")]
        return iter([*thoughts, "Done thinking."])
    if match := re.search(r"count to (\d{1,5})", lower):
        return (f"{number} " for number in range(1, int(match[1]) + 1))
    return _split_words(HELP)


def _fail(lower: str) -> _Stream:
    code = next((code for code in _FAILURES if code in lower), None)
    if code is None and (requested := re.search(r"\bfail with [\"'`“]?([\w-]+)", lower)):
        yield from _split_words(f"I cannot fail with {requested[1]}. I can fail with: {', '.join(_FAILURES)}.")
        return
    code = code or "model_unavailable"
    yield from _split_words("I will say a few words, and then fail, as you asked. ")
    raise _FAILURES[code](f"the practice model was asked to fail with {code}")


class _CallOutput(NamedTuple):
    """A call of the last step, as it stands in the prompt, and its output or error."""

    function: Mapping[str, str]
    content: str


def _answer_outputs(prompt: Prompt) -> _Stream:
    """Call again, corrected, what was not valid; if all was valid, repeat the outputs in words."""
    calls = {call["id"]: call["function"] for message in prompt.messages for call in message.get("tool_calls", ())}
    outputs: list[_CallOutput] = []
    for message in reversed(prompt.messages):
        if message["role"] != "tool":
            break
        outputs.insert(0, _CallOutput(calls.get(message["tool_call_id"], {}), str(message["content"])))
    if invalid := [each for each in outputs if each.content.startswith(_INVALID_PREFIX)]:
        yield from _stream_plan([step for failed in invalid for step in _plan_correction(prompt, failed)])
        return
    for function, content in outputs:
        if content.startswith(_UNKNOWN_PREFIX):
            yield from _split_words(f"I was told: {content.removeprefix(_UNKNOWN_PREFIX)}. ")
        elif content != _SHOWN_OUTPUT:
            subject = "The function" if len(outputs) == 1 else f"`{function['name']}`"
            end = "\n\n" if len(outputs) > 1 else ""
            yield from _split_words(f"{subject} answered: {_DATA_TAGS.sub('', content)}{end}")


def _plan_correction(prompt: Prompt, failed: _CallOutput) -> Plan:
    """Plan the call again, corrected by its error.

    If the error names nothing to correct, the same call is made again once; the next time the model gives up in words.
    """
    name, error = failed.function["name"], failed.content.removeprefix(_INVALID_PREFIX)
    arguments = msgspec.json.decode(failed.function["arguments"])
    corrected = correct(_offered_schemas(prompt).get(name, {}), arguments, _intended_arguments(prompt, name), error)
    earlier = [call["function"] for message in prompt.messages for call in message.get("tool_calls", ())]
    if corrected == arguments and earlier.count(dict(failed.function)) > 1:
        return ("I do not know what is wrong with that.",)
    if maximum := find_maximum(error):
        return (f"You are right, the highest {maximum[0]} is {maximum[1]}. ", PlannedCall(name, corrected))
    return (PlannedCall(name, corrected),)


def _stream_plan(plan: Plan) -> _Stream:
    index = 0
    for each in plan:
        if isinstance(each, str):
            yield from _split_words(each)
        else:
            arguments = each.arguments if isinstance(each.arguments, str) else _encode(each.arguments)
            yield from _stream_call(index, each.name, arguments)
            index += 1


def _stream_call(index: int, name: str, arguments: str) -> _Stream:
    """Return a function call as providers stream it: its name first, then its arguments in pieces."""
    call_id = f"practice_{name}_{index}" if index else f"practice_{name}"
    yield MessageDelta(tool_calls=[CallDelta(index, call_id, FunctionDelta(name, ""))])
    for word in _split_words(arguments):
        yield MessageDelta(tool_calls=[CallDelta(index, None, FunctionDelta(None, word))])


def _encode(arguments: Mapping[str, Any]) -> str:
    return msgspec.json.encode(arguments).decode()


def _split_words(text: str) -> Iterator[str]:
    return iter(re.findall(r"\S+\s*", text))
