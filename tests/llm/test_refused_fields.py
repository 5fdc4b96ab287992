"""The fields of a request that a server refuses: found in its words, left out, and remembered."""

import asyncio
from typing import Any

import pytest

from chatkeep.llm import Prompt
from chatkeep.llm.completions.request import completions_request
from chatkeep.llm.refused_fields import RefusedFields, find_refused
from tests.llm.asking import PROMPT, connected, receive
from tests.provider import Provider, ProviderRequest, refuses, streams, text_chunks

pytestmark = pytest.mark.anyio

STRICT = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
PLAIN = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PARAMS = {
    "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 7, "reasoning_effort": "low", "stop": ["END"], "seed": 1,
}  # fmt: skip
FULL = Prompt("m", PROMPT.messages, [STRICT], PARAMS)
HELLO = streams(*text_chunks("Hello"))


def refusal(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", **more}}


REFUSALS = [
    (refusal("Unrecognized request argument supplied: stream_options"), ["stream_options"]),
    (refusal("tools.0.function.strict: Extra inputs are not permitted"), ["strict"]),
    (refusal("Invalid schema for function 'f': not of use with strict"), ["strict"]),
    (refusal("Unsupported parameter: 'temperature' is not supported with this model."), ["temperature"]),
    (
        refusal(
            "Unsupported value: 'temperature' does not support 0.5. Only the default (1) value is supported.",
            param="temperature",
            code="unsupported_value",
        ),
        ["temperature"],
    ),
    (refusal("This model does not support this.", param="top_p", code="unsupported_parameter"), ["top_p"]),
    (refusal("seed: this model does not support it"), ["seed"]),
    ([refusal('Invalid JSON payload received. Unknown name "seed": Cannot find field.')], ["seed"]),
    ({"detail": [{"loc": ["body", "stop"], "msg": "Extra inputs are not permitted"}]}, ["stop"]),
    (
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "input": {"stop": "x", "temperature": 1}}]},
        ["seed"],
    ),
    (
        {"message": {"detail": [{"loc": ["body", each], "msg": "Extra inputs are not permitted"} for each in PARAMS]}},
        ["temperature", "top_p", "seed", "stop", "reasoning_effort"],
    ),
    ("[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens')}]", ["max_completion_tokens"]),
]


@pytest.mark.parametrize(("body", "names"), REFUSALS, ids=str)
def test_a_refusal_names_fields(body: object, names: list[str]) -> None:
    assert find_refused(completions_request(FULL), body) == names
    assert find_refused({"model": "m"}, body) == [], "a field that was not sent is not the reason"


@pytest.mark.parametrize(
    "message",
    [
        "temperature must be at most 1",
        "Unsupported value: 'reasoning_effort' does not support 'low' with this model. Supported values are: 'high'.",
        "The request is restricted: unknown model m",
        "messages: unsupported role",
    ],
)
def test_other_refusals_name_none(message: str) -> None:
    assert find_refused(completions_request(FULL), refusal(message)) == []


def test_the_longest_answer_has_two_names() -> None:
    assert completions_request(FULL)["max_completion_tokens"] == 7
    older = completions_request(FULL, {"max_completion_tokens"})
    assert ("max_completion_tokens" in older, older["max_tokens"]) == (False, 7)
    assert not {"max_tokens", "max_completion_tokens"} & set(
        completions_request(FULL, {"max_completion_tokens", "max_tokens"})
    )


def test_omitted_and_refused_fields_are_those_of_a_model() -> None:
    refused = RefusedFields()
    assert refused.add("m", ["seed", "stop"]) == {"seed", "stop"}
    assert refused.add("m", ["seed"]) == set()
    assert refused.of(FULL._replace(omit=["strict"])) == {"seed", "stop", "strict"}
    assert refused.of(FULL._replace(model="n")) == set()


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(("body", "names"), REFUSALS, ids=str)
async def test_a_refused_field_is_left_out_from_then_on(
    provider: Provider, status: int, body: object, names: list[str]
) -> None:
    provider.answers = [refuses(status, body), HELLO, HELLO]
    async with connected(provider) as model:
        assert [(await receive(model, FULL)).text for _ in range(2)] == ["Hello", "Hello"]
    whole, *later = [request.body for request in provider.requests]
    assert whole == completions_request(FULL)
    assert later == [completions_request(FULL, names)] * 2


async def test_fields_may_be_refused_one_after_the_other(provider: Provider) -> None:
    one, two, three = REFUSALS[0][0], REFUSALS[1][0], REFUSALS[-1][0]
    older = refusal("Unrecognized request argument supplied: max_tokens")
    provider.answers = [*(refuses(400, body) for body in (one, two, three, older)), HELLO]
    async with connected(provider) as model:
        assert (await receive(model, FULL)).text == "Hello"
    assert len(provider.requests) == 5
    left_out = {"stream_options", "max_completion_tokens", "max_tokens"}
    assert provider.requests[-1].body == {**completions_request(FULL, left_out), "tools": [PLAIN]}


async def test_a_field_is_left_out_once(provider: Provider) -> None:
    provider.answers = [refuses(400, REFUSALS[0][0])]
    async with connected(provider) as model:
        assert (await receive(model, FULL)).code == "model_rejected"
    assert len(provider.requests) == 2


async def test_omitted_fields_are_never_sent(provider: Provider) -> None:
    provider.answers = [HELLO]
    async with connected(provider) as model:
        await receive(model, FULL._replace(omit=["stream_options", "strict", "max_completion_tokens"]))
    (asked,) = provider.requests
    assert "stream_options" not in asked.body
    assert (asked.body["tools"], asked.body["max_tokens"]) == ([PLAIN], 7)


async def test_many_answers_at_once_learn_the_same(provider: Provider) -> None:
    async def answer(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        said = refuses(400, REFUSALS[0][0]) if "stream_options" in request.body else HELLO
        await said(request, writer)

    provider.answers = [answer]
    async with connected(provider) as model:
        answers = await asyncio.gather(*(receive(model, FULL) for _ in range(20)))
    assert {each.text for each in answers} == {"Hello"}
