"""Requests of the Responses API: what becomes of messages and functions, in the shapes of the SDK."""

from collections.abc import Mapping, Sequence
from typing import Any

from openai.types.responses import response_create_params
from pydantic import TypeAdapter

from chatkeep.llm import Prompt
from chatkeep.llm.responses.request import responses_request

FUNCTION: dict[str, Any] = {
    "name": "weather",
    "description": "Rain?",
    "parameters": {"type": "object", "properties": {}},
}
REASONING: dict[str, Any] = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}


def call(call_id: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def result(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def request(
    *messages: dict[str, Any],
    refused: Sequence[str] = (),
    tool: dict[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the request for `messages`, and check its shape."""
    tools = [{"type": "function", "function": tool}] if tool else []
    built = responses_request(Prompt("gpt-5-mini", messages, tools, params or {}), refused)
    if "strict" not in refused:
        check_shape(built)
    return built


def check_shape(built: dict[str, Any]) -> None:
    """Validate a request by the SDK's types. They want an id of reasoning, which OpenAI refuses with `store: false`."""
    items = [{**item, "id": "rs_1"} if item.get("type") == "reasoning" else item for item in built["input"]]
    TypeAdapter(response_create_params.ResponseCreateParamsStreaming).validate_python({**built, "input": items})


def test_a_conversation_becomes_instructions_and_items() -> None:
    built = request(
        {"role": "system", "content": "You are a test."},
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Why?"},
    )
    assert built == {
        "model": "gpt-5-mini",
        "instructions": "You are a test.",
        "input": [
            {"role": "user", "content": "Hello?"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Why?"},
        ],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


def test_calls_and_their_results_become_items() -> None:
    built = request(
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [call("c1", '{"city":"Oslo"}'), call("c2")]},
        result("c1", "rain"),
        result("c2", "sun"),
    )
    assert built["input"][1:] == [
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'},
        {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {"type": "function_call_output", "call_id": "c2", "output": "sun"},
    ]


def test_reasoning_goes_before_its_calls_without_id_and_status() -> None:
    kept = {**REASONING, "id": "rs_1", "status": "completed"}
    message = {"role": "assistant", "content": None, "tool_calls": [call("c1")], "reasoning_details": [kept]}
    built = request({"role": "user", "content": "Weather?"}, message, result("c1", "rain"))
    assert [item.get("type") for item in built["input"][1:]] == ["reasoning", "function_call", "function_call_output"]
    assert built["input"][1] == REASONING


def test_state_of_another_kind_is_left_out() -> None:
    odd: list[Any] = [
        None,
        "x",
        {"type": "reasoning.text", "text": "Hm."},
        {"type": "reasoning", "id": "rs_1", "summary": []},
    ]
    states: list[Any] = [odd, "x", None, {"type": "reasoning"}]
    for details in states:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None,
            "tool_calls": [call("c1")],
            "reasoning_details": details,
        }
        built = request({"role": "user", "content": "Weather?"}, {**message, "reasoning": "Hm."}, result("c1", "rain"))
        assert [item.get("type") for item in built["input"]] == [None, "function_call", "function_call_output"]


def test_open_reasoning_goes_back_as_its_text() -> None:
    text = [{"type": "reasoning_text", "text": "I need it."}]
    details = [{"type": "reasoning", "id": "rs_1", "content": text}]
    message = {"role": "assistant", "content": None, "tool_calls": [call("c1")], "reasoning_details": details}
    built = request({"role": "user", "content": "Weather?"}, message, result("c1", "rain"))
    assert built["input"][1] == {"type": "reasoning", "content": text, "summary": []}


def test_functions_are_flat_and_say_if_they_are_strict() -> None:
    user = {"role": "user", "content": "Weather?"}
    assert request(user, tool=FUNCTION)["tools"] == [{"type": "function", "strict": False, **FUNCTION}]
    strict = {**FUNCTION, "strict": True}
    assert request(user, tool=strict)["tools"] == [{"type": "function", **strict}]
    assert request(user, tool=strict, refused=["strict"])["tools"] == [{"type": "function", **FUNCTION}]


def test_encrypted_reasoning_is_asked_for_unless_refused() -> None:
    assert "include" not in request({"role": "user", "content": "Hi"}, refused=["include"])


def test_a_temperature_is_sent_if_there_is_one() -> None:
    built = request({"role": "user", "content": "Hi"}, params={"temperature": 0.0})
    assert built["temperature"] == 0.0


def test_parameters_have_the_names_of_this_api() -> None:
    params = {"max_output_tokens": 7, "reasoning_effort": "low", "top_p": 0.5}
    built = request({"role": "user", "content": "Hi"}, params=params)
    assert (built["max_output_tokens"], built["reasoning"], built["top_p"]) == (7, {"effort": "low"}, 0.5)
    assert "reasoning_effort" not in built
