"""Functions: their definitions for the model, and the validation of arguments."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep import toolbox
from chatkeep.tools.arguments import InvalidArguments, parse_arguments
from chatkeep.tools.declaration import declared_tools
from chatkeep.tools.strict_schema import to_strict_schema

REPLIES = {"explain_joke", "detect_sarcasm", "tell_joke"}
VALID = {
    "explain_joke": {"setup": "Why?", "premise": "A reason.", "punchline": "None."},
    "detect_sarcasm": {"quote": "Oh, great.", "score": 7},
    "tell_joke": {"text": "To get to the other side."},
}


def check(name: str, **arguments: Any) -> dict[str, Any]:
    return declared_tools()[name].check(arguments)


def refusal(name: str, **arguments: Any) -> str:
    """Return the reason why the arguments are refused."""
    with pytest.raises(InvalidArguments) as raised:
        check(name, **arguments)
    return str(raised.value)


def test_the_default_assistant_has_its_replies() -> None:
    assert toolbox.jokes
    assert declared_tools().keys() >= REPLIES
    assert {declared_tools()[name].kind for name in REPLIES} == {"reply"}


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_a_function_is_offered_with_its_schema(name: str) -> None:
    function = declared_tools()[name]
    offered = function.definition
    assert offered == {
        "type": "function",
        "function": {
            "name": name,
            "description": function.description,
            "parameters": to_strict_schema(function.parameters),
            "strict": True,
        },
    }
    assert json.loads(json.dumps(offered)) == offered
    assert function.description
    assert function.parameters["type"] == "object"
    assert function.parameters["additionalProperties"] is False
    assert function.parameters["required"] == list(VALID[name])
    assert all(field["description"] for field in function.parameters["properties"].values())


def test_the_schema_names_the_limits() -> None:
    score = declared_tools()["detect_sarcasm"].parameters["properties"]["score"]
    assert (score["type"], score["minimum"], score["maximum"]) == ("integer", 0, 9)
    assert declared_tools()["tell_joke"].parameters["properties"]["text"]["minLength"] == 1


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_valid_arguments_are_unchanged(name: str) -> None:
    assert check(name, **VALID[name]) == VALID[name]


@pytest.mark.parametrize(
    ("name", "wrong", "named"),
    [
        ("detect_sarcasm", {"score": "7"}, "score"),
        ("detect_sarcasm", {"score": 10}, "score"),
        ("detect_sarcasm", {"score": -1}, "score"),
        ("detect_sarcasm", {"score": 7.5}, "score"),
        ("detect_sarcasm", {"score": True}, "score"),
        ("detect_sarcasm", {"score": None}, "score"),
        ("detect_sarcasm", {"score": 2**63}, "score"),
        ("detect_sarcasm", {"quote": 1}, "quote"),
        ("tell_joke", {"text": ""}, "text"),
        ("tell_joke", {"text": ["a"]}, "text"),
        ("tell_joke", {"mood": "dry"}, "mood"),
        ("explain_joke", {"punchline": ""}, "punchline"),
    ],
)
def test_a_wrong_field_is_refused_by_name(name: str, wrong: dict[str, Any], named: str) -> None:
    message = refusal(name, **{**VALID[name], **wrong})
    assert message.startswith(f"{named}: ")
    assert is_short_line(message)


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_a_missing_field_is_refused_by_name(name: str) -> None:
    for field in VALID[name]:
        rest = {key: value for key, value in VALID[name].items() if key != field}
        assert refusal(name, **rest).startswith(f"{field}: ")


def test_every_wrong_field_is_named() -> None:
    message = refusal("detect_sarcasm", score="7")
    assert "score: " in message
    assert "quote: " in message
    assert is_short_line(message)


def test_a_huge_integer_is_refused() -> None:
    assert is_short_line(refusal("detect_sarcasm", quote="x", score=10**400))


def test_a_refusal_is_a_short_line_for_any_field_name() -> None:
    assert is_short_line(refusal("tell_joke", **{"text": "x", "a\nb": 1}))
    assert is_short_line(refusal("tell_joke", **{"text": "x", "y" * 100_000: 1}))
    assert is_short_line(refusal("tell_joke", **{"text": "x", **{f"field{number}": 1 for number in range(1_000)}}))


def test_unusual_characters_in_arguments_are_unchanged() -> None:
    assert check("detect_sarcasm", quote="\U0001f414 \u2028", score=0) == {"quote": "\U0001f414 \u2028", "score": 0}


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "{}", " {} "])
def test_an_empty_text_is_an_empty_object(text: str) -> None:
    assert parse_arguments(text) == {}


@pytest.mark.parametrize(
    "text",
    ["{", '{"a":', '{"a":1', "{'a':1}", "{a:1}", '{"a":1,}', '{"a":1}{"a":2}', '{"a":1} x', "tell_joke", "\ufffd"],
)
def test_arguments_that_are_no_json_are_refused(text: str) -> None:
    with pytest.raises(InvalidArguments, match=r"^the arguments are not valid JSON: ") as raised:
        parse_arguments(text)
    assert is_short_line(str(raised.value))


@pytest.mark.parametrize(
    ("text", "what"),
    [("[]", "an array"), ('["a"]', "an array"), ('"a"', "a string"), ("7", "a number"), ("7.5", "a number"),
     ("true", "a boolean"), ("null", "null")],
)  # fmt: skip
def test_arguments_that_are_no_object_are_refused(text: str, what: str) -> None:
    with pytest.raises(InvalidArguments) as raised:
        parse_arguments(text)
    assert str(raised.value) == f"the arguments must be a JSON object, not {what}"


@pytest.mark.parametrize("text", ['{"a":NaN}', '{"a":Infinity}', '{"a":[-Infinity]}'])
def test_nan_and_infinity_are_refused(text: str) -> None:
    with pytest.raises(InvalidArguments, match="is not JSON"):
        parse_arguments(text)


def test_a_number_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(InvalidArguments):
        parse_arguments('{"a":1e999}')


def test_an_integer_of_any_length_is_read_or_refused() -> None:
    assert parse_arguments('{"a":' + "9" * 400 + "}") == {"a": int("9" * 400)}
    with pytest.raises(InvalidArguments):
        parse_arguments('{"a":' + "9" * 10_000 + "}")


def test_the_last_of_two_equal_keys_counts() -> None:
    assert parse_arguments('{"a":1,"a":2}') == {"a": 2}


def test_lone_surrogates_and_nul_are_cleaned() -> None:
    assert parse_arguments(r'{"a":"\ud83d","b\u0000":["\ude00"],"c":"\ud83d\ude00"}') == {
        "a": "\ufffd",
        "b\ufffd": ["\ufffd"],
        "c": "\U0001f600",
    }


@pytest.mark.parametrize("depth", [100, 400, 500, 900, 1_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(opening: str, closing: str, depth: int) -> None:
    text = '{"text":' + opening * depth + "1" + closing * depth + "}"
    with pytest.raises(InvalidArguments) as raised:
        declared_tools()["tell_joke"].check(parse_arguments(text))
    assert is_short_line(str(raised.value))


@given(st.text(st.sampled_from('{}[]":,0123456789.eE+-truefalsn \n\\\x00\ud83d')))
def test_any_text_is_an_object_or_is_refused_in_a_line(text: str) -> None:
    try:
        value, message = parse_arguments(text), "fine"
    except InvalidArguments as error:
        value, message = {}, str(error)
    assert is_short_line(message)
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def is_short_line(text: str) -> bool:
    return 0 < len(text) <= 1_000 and "\n" not in text
