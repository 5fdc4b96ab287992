"""Functions: what the model is told of them, and what of its arguments is let through."""

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
    """Why the arguments are refused."""
    with pytest.raises(InvalidArguments) as raised:
        check(name, **arguments)
    return str(raised.value)


def test_the_toolbox_declares_the_replies_of_the_default_assistant() -> None:
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
def test_valid_arguments_come_through_as_they_are(name: str) -> None:
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
    said = refusal(name, **{**VALID[name], **wrong})
    assert said.startswith(f"{named}: ")
    assert is_short_line(said)


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_a_missing_field_is_refused_by_name(name: str) -> None:
    for field in VALID[name]:
        rest = {key: value for key, value in VALID[name].items() if key != field}
        assert refusal(name, **rest).startswith(f"{field}: ")


def test_every_wrong_field_is_named() -> None:
    said = refusal("detect_sarcasm", score="7")
    assert "score: " in said
    assert "quote: " in said
    assert is_short_line(said)


def test_an_integer_beyond_all_is_refused() -> None:
    assert is_short_line(refusal("detect_sarcasm", quote="x", score=10**400))


def test_a_refusal_is_a_short_line_however_the_model_names_its_fields() -> None:
    assert is_short_line(refusal("tell_joke", **{"text": "x", "a\nb": 1}))
    assert is_short_line(refusal("tell_joke", **{"text": "x", "y" * 100_000: 1}))
    assert is_short_line(refusal("tell_joke", **{"text": "x", **{f"field{number}": 1 for number in range(1_000)}}))


def test_a_schema_s_own_words_do_not_change_what_is_returned() -> None:
    assert check("detect_sarcasm", quote="\U0001f414 \u2028", score=0) == {"quote": "\U0001f414 \u2028", "score": 0}


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "{}", " {} "])
def test_nothing_is_an_empty_object(text: str) -> None:
    assert parse_arguments(text) == {}


@pytest.mark.parametrize(
    "text",
    ["{", '{"a":', '{"a":1', "{'a':1}", "{a:1}", '{"a":1,}', '{"a":1}{"a":2}', '{"a":1} x', "tell_joke", "\ufffd"],
)
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidArguments, match=r"^the arguments are not valid JSON: ") as raised:
        parse_arguments(text)
    assert is_short_line(str(raised.value))


@pytest.mark.parametrize(
    ("text", "what"),
    [("[]", "an array"), ('["a"]', "an array"), ('"a"', "a string"), ("7", "a number"), ("7.5", "a number"),
     ("true", "a boolean"), ("null", "null")],
)  # fmt: skip
def test_what_is_no_object_is_refused(text: str, what: str) -> None:
    with pytest.raises(InvalidArguments) as raised:
        parse_arguments(text)
    assert str(raised.value) == f"the arguments must be a JSON object, not {what}"


@pytest.mark.parametrize("text", ['{"a":NaN}', '{"a":Infinity}', '{"a":[-Infinity]}'])
def test_numbers_that_json_does_not_know_are_refused(text: str) -> None:
    with pytest.raises(InvalidArguments, match="is not JSON"):
        parse_arguments(text)


def test_a_number_too_large_for_a_float_is_refused_and_not_changed() -> None:
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
def test_deep_nesting_is_refused_and_nothing_worse(opening: str, closing: str, depth: int) -> None:
    text = '{"text":' + opening * depth + "1" + closing * depth + "}"
    with pytest.raises(InvalidArguments) as raised:
        declared_tools()["tell_joke"].check(parse_arguments(text))
    assert is_short_line(str(raised.value))


@given(st.text(st.sampled_from('{}[]":,0123456789.eE+-truefalsn \n\\\x00\ud83d')))
def test_any_text_is_an_object_or_is_refused_in_a_line(text: str) -> None:
    try:
        value, said = parse_arguments(text), "fine"
    except InvalidArguments as error:
        value, said = {}, str(error)
    assert is_short_line(said)
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def is_short_line(said: str) -> bool:
    return 0 < len(said) <= 1_000 and "\n" not in said
