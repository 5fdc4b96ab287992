"""`OpenAIModel` over the Responses API and a real HTTP server: requests, whole turns, failures, what is retried."""

import asyncio

import pytest
from msgspec.structs import replace

from chatkeep.chat.types import ProviderState, ReasoningPart, TextPart, ToolCallPart
from chatkeep.llm.apis import RESPONSES
from chatkeep.llm.sse_parser import MAX_FRAME_BYTES
from tests.functions import TOOLS
from tests.llm.asking import KEY, PROMPT, connected, receive
from tests.llm.responses.events import Answer, response
from tests.llm.responses.test_request import check_shape
from tests.provider import Provider, refuses, streams
from tests.turns import play, turn_input

pytestmark = pytest.mark.anyio

HELLO = Answer().say("Hello").end().frames()
AT_ONCE = {"retry-after": "0"}
NO_ENCRYPTION = {
    "error": {
        "message": "Encrypted content is not supported with this model.",
        "type": "invalid_request_error", "param": "include", "code": None,
    }
}  # fmt: skip


def failed(code: str) -> list[bytes]:
    return Answer().end("failed", error={"code": code, "message": "no"}, usage=None).frames()


async def test_an_answer_comes_with_its_usage(provider: Provider) -> None:
    provider.answers = [streams(*Answer().say("To get ", "across.").end().frames())]
    async with connected(provider, RESPONSES) as model:
        answer = await receive(model)
    assert (answer.text, answer.failure) == ("To get across.", None)
    (tokens,) = answer.tokens
    assert (tokens.prompt_tokens, tokens.completion_tokens) == (9, 3)


async def test_the_request_is_streamed_and_not_stored(provider: Provider) -> None:
    provider.answers = [streams(*HELLO)]
    async with connected(provider, RESPONSES) as model:
        await receive(model)
    (asked,) = provider.requests
    assert asked.path == "/v1/responses"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {
        "model": "gpt-5-mini",
        "input": [{"role": "user", "content": "why?"}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


async def test_the_query_of_a_base_url_stands_after_the_path(provider: Provider) -> None:
    provider.answers = [streams(*HELLO)]
    async with connected(provider, RESPONSES, openai_base_url=f"{provider.url}?api-version=v1") as model:
        await receive(model)
    assert provider.requests[0].path == "/v1/responses?api-version=v1"


async def test_the_answer_ends_with_the_response(provider: Provider) -> None:
    provider.answers = [streams(*HELLO, asyncio.Event())]
    async with connected(provider, RESPONSES) as model:
        answer = await receive(model)
    assert (answer.text, answer.failure) == ("Hello", None)


async def test_state_belongs_to_the_api_that_gave_it(provider: Provider) -> None:
    async with connected(provider, RESPONSES) as one, connected(provider) as other:
        assert [model.describe("m").provider for model in (one, other)] == ["127.0.0.1/responses", "127.0.0.1"]


async def test_reasoning_goes_back_in_every_step_of_a_turn(provider: Provider) -> None:
    oslo, bergen = '{"city":"Oslo"}', '{"city":"Bergen"}'
    provider.answers = [
        streams(*Answer().think(["I look."], encrypted="gAAA").call("c1", "weather", oslo).end().frames()),
        streams(*Answer().think(encrypted="gBBB").say("And?").call("c2", "weather", bergen).end().frames()),
        streams(*Answer().say("It rains.").end().frames()),
    ]
    async with connected(provider, RESPONSES) as model:
        played = await play(model, turn_input("weather?", tools=TOOLS))
    assert played.ending == ("completed", "stop")
    assert played.parts[-1] == TextPart("It rains.")
    assert (played.turn.usage.input_tokens, played.turn.usage.output_tokens) == (27, 9)
    summary = [{"type": "summary_text", "text": "I look."}]
    items = provider.requests[2].body["input"]
    assert [item.get("type", item.get("role")) for item in items] == [
        "user",
        *("reasoning", "function_call", "function_call_output"),
        *("reasoning", "assistant", "function_call", "function_call_output"),
    ]
    assert items[1] == {"type": "reasoning", "summary": summary, "encrypted_content": "gAAA"}
    assert items[4] == {"type": "reasoning", "summary": [], "encrypted_content": "gBBB"}
    assert [item["call_id"] for item in items if "call_id" in item] == ["c1", "c1", "c2", "c2"]
    for asked in provider.requests:
        check_shape(asked.body)
        assert asked.body["instructions"].startswith("You are a test.")


async def test_reasoning_goes_back_in_later_turns_too(provider: Provider) -> None:
    provider.answers = [
        streams(*Answer().think(["I look."], encrypted="gAAA").call("c1", "weather", '{"city":"Oslo"}').end().frames()),
        streams(*HELLO),
    ]
    async with connected(provider, RESPONSES) as model:
        first = turn_input("weather?", tools=TOOLS)
        played = await play(model, first)
        thought = played.parts[0]
        assert isinstance(thought, ReasoningPart)
        assert isinstance(thought.provider_state, ProviderState)
        answered = replace(first.message, parts=played.parts)
        await play(model, turn_input("and now?", history=[*first.history, answered], tools=TOOLS))
    types = [item.get("type") for item in provider.requests[2].body["input"]]
    assert types == [None, "reasoning", "function_call", "function_call_output", None, None]


async def test_a_call_that_was_not_streamed_is_run_once(provider: Provider) -> None:
    whole = Answer().call("c1", "weather", '{"city":"Oslo"}').end().events[-1]
    provider.answers = [refuses(200, whole["response"]), streams(*HELLO)]
    async with connected(provider, RESPONSES) as model:
        played = await play(model, turn_input("weather?", tools=TOOLS))
    calls = [part for part in played.parts if isinstance(part, ToolCallPart)]
    assert [(call.call_id, call.state) for call in calls] == [("c1", "succeeded")]


async def test_encrypted_reasoning_is_asked_for_until_refused(provider: Provider) -> None:
    provider.answers = [refuses(400, NO_ENCRYPTION), streams(*HELLO)]
    async with connected(provider, RESPONSES) as model:
        assert [(await receive(model)).text for _ in range(2)] == ["Hello", "Hello"]
        await receive(model, PROMPT._replace(model="o9"))
    assert ["include" in request.body for request in provider.requests] == [True, False, False, True]


async def test_a_refusal_of_reasoning_itself_is_no_refusal_to_ask(provider: Provider) -> None:
    refusal = {"error": {"message": "The encrypted content gAAA could not be verified.", "param": None}}
    provider.answers = [refuses(400, refusal), streams(*HELLO)]
    async with connected(provider, RESPONSES) as model:
        assert (await receive(model)).code == "model_rejected"
        await receive(model)
    assert ["include" in request.body for request in provider.requests] == [True, True]


async def test_strict_is_said_until_it_is_refused(provider: Provider) -> None:
    strict = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
    refusal = {"error": {"message": "tools.0.strict: Extra inputs are not permitted"}}
    provider.answers = [refuses(400, refusal), streams(*HELLO)]
    async with connected(provider, RESPONSES) as model:
        assert (await receive(model, PROMPT._replace(tools=[strict]))).text == "Hello"
    assert [tool.get("strict") for request in provider.requests for tool in request.body["tools"]] == [True, None]


@pytest.mark.parametrize(
    ("code", "expected"), [("rate_limit_exceeded", "model_rate_limited"), ("server_error", "model_unavailable")]
)
async def test_a_failure_before_any_text_is_retried(provider: Provider, code: str, expected: str) -> None:
    provider.answers = [streams(*failed(code))]
    async with connected(provider, RESPONSES) as model:
        assert (await receive(model)).code == expected
    provider.answers = [streams(*failed(code)), refuses(500, {"error": {"message": "no"}}, AT_ONCE), streams(*HELLO)]
    async with connected(provider, RESPONSES, model_retries=2) as model:
        assert (await receive(model)).text == "Hello"


async def test_a_failure_for_good_is_not_retried(provider: Provider) -> None:
    provider.answers = [streams(*failed("invalid_prompt"))]
    async with connected(provider, RESPONSES, model_retries=2) as model:
        assert (await receive(model)).code == "model_rejected"
    assert len(provider.requests) == 1


async def test_a_failure_in_mid_stream_keeps_its_text(provider: Provider) -> None:
    error = Answer().say("Hello").add("error", code="rate_limit_exceeded", message=f"too many for {KEY}").frames()
    provider.answers = [streams(*error)]
    async with connected(provider, RESPONSES, model_retries=2) as model:
        received = await receive(model)
    assert (received.text, received.code) == ("Hello", "model_rate_limited")
    assert str(received.failure) == "too many for ***"
    assert len(provider.requests) == 1


@pytest.mark.parametrize("has_marker", [False, True])
async def test_a_stream_without_an_end_is_a_cut_answer(provider: Provider, has_marker: bool) -> None:
    marker = [b"data: [DONE]\n\n"] if has_marker else []
    provider.answers = [streams(*Answer().say("Hello").frames(), *marker)]
    async with connected(provider, RESPONSES) as model:
        played = await play(model, turn_input("?"))
    assert played.ending == ("incomplete", "missing")
    assert played.parts == (TextPart("Hello"),)


async def test_an_answer_cut_by_its_limit_is_incomplete(provider: Provider) -> None:
    details = {"reason": "max_output_tokens"}
    provider.answers = [streams(*Answer().say("Hel").end("incomplete", incomplete_details=details).frames())]
    async with connected(provider, RESPONSES) as model:
        played = await play(model, turn_input("?"))
    assert played.ending == ("incomplete", "length")


async def test_an_endless_event_is_model_protocol(provider: Provider) -> None:
    provider.answers = [streams(*HELLO[:2], b"data: ", *[b"x" * 2**20] * (MAX_FRAME_BYTES // 2**20 + 1))]
    async with connected(provider, RESPONSES) as model:
        assert (await receive(model)).code == "model_protocol"


async def test_endless_reasoning_is_let_go(provider: Provider) -> None:
    thinking = Answer()
    for _ in range(80):
        thinking.think(encrypted="g" * 1_000)
    provider.answers = [streams(*thinking.call("c1", "weather", '{"city":"Oslo"}').end().frames()), streams(*HELLO)]
    async with connected(provider, RESPONSES) as model:
        await play(model, turn_input("weather?", tools=TOOLS))
    assert [item.get("type") for item in provider.requests[1].body["input"]] == [
        *(None, "function_call", "function_call_output")
    ]


async def test_a_provider_without_this_api_says_so(provider: Provider) -> None:
    provider.answers = [refuses(404, {"error": {"message": "Not Found: /v1/responses", "code": "not_found"}})]
    async with connected(provider, RESPONSES) as model:
        received = await receive(model)
    assert (received.code, str(received.failure)) == ("model_rejected", "Not Found: /v1/responses")


async def test_an_odd_whole_response_is_an_error(provider: Provider) -> None:
    provider.answers = [refuses(200, response("failed", error={"code": "server_error", "message": "died"}))]
    async with connected(provider, RESPONSES) as model:
        assert (await receive(model)).code == "model_unavailable"
