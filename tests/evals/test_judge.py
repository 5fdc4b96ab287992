"""The judge: outcomes that pass, and the reasons for those that do not."""

from typing import Any

import pytest

from chatkeep.agent.turn import Outcome
from chatkeep.chat.types import CallError, Part, StepPart, TextPart, ToolCallPart
from chatkeep.evals.judge import find_fault, visible_text
from chatkeep.evals.suite import Exchange
from chatkeep.tools.declaration import declared_tools
from tests.turns import answer

DONE = Outcome("completed", "stop")
SARCASM = ToolCallPart("c1", "detect_sarcasm", "reply", "", {"quote": "Oh, great.", "score": 7}, "succeeded",
                       {"quote": "Oh, great.", "score": 7})  # fmt: skip
JOKE = ToolCallPart("c2", "tell_joke", "reply", "", {"text": "Ha."}, "succeeded", {"text": "Ha."})
SUGGESTED = ToolCallPart("c3", "suggest_replies", "reply", "", {"replies": ["a", "b"]}, "succeeded",
                         {"replies": ["a", "b"]})  # fmt: skip
WRONG = ToolCallPart(
    "c4", "detect_sarcasm", "reply", "", None, "failed", None, CallError("invalid_arguments", "score: no")
)


def expected(**expectations: Any) -> Exchange:
    return Exchange.model_validate({"says": "x", **expectations}, context=list(declared_tools()))


def why(parts: list[Part], outcome: Outcome = DONE, **expectations: Any) -> str | None:
    return find_fault(expected(**expectations), answer(*parts), outcome)


@pytest.mark.parametrize(
    ("parts", "expectations"),
    [
        ([TextPart("Hello.")], {}),
        ([TextPart("Hello.")], {"calls": "none", "must_say": ["hell"], "must_not_say": ["goodbye"]}),
        ([TextPart("Hello."), SUGGESTED], {"calls": "none"}),
        ([SARCASM], {"calls": "detect_sarcasm"}),
        ([SARCASM, SUGGESTED], {"calls": "detect_sarcasm", "arguments": {"score": 7, "quote": {"contains": "GREAT"}}}),
        ([SARCASM], {"calls": "detect_sarcasm", "arguments": {"score": {"at_least": 7, "at_most": 7}}}),
        ([SARCASM], {"calls": "detect_sarcasm", "arguments": {"quote": {"matches": r"^oh,\s"}}, "must_say": ["great"]}),
        ([SARCASM, JOKE], {"calls": "detect_sarcasm", "may_call": ["tell_joke"]}),
        ([WRONG, StepPart(), SARCASM], {"calls": "detect_sarcasm", "corrections": 1}),
        ([SUGGESTED], {"calls": "suggest_replies", "arguments": {"replies": {"contains": '["a"'}}}),
    ],
)
def test_expected_outcomes_pass(parts: list[Part], expectations: dict[str, Any]) -> None:
    assert why(parts, **expectations) is None


@pytest.mark.parametrize(
    ("parts", "expectations", "reason"),
    [
        ([], {}, "it said nothing"),
        ([TextPart(" ")], {}, "it said nothing"),
        ([JOKE], {"calls": "none"}, "it called tell_joke"),
        ([TextPart("No.")], {"calls": "tell_joke"}, "it did not call tell_joke: 'No.'"),
        ([TextPart("a" * 200)], {"calls": "tell_joke"}, f"it did not call tell_joke: '{'a' * 80}…'"),
        ([JOKE], {"calls": "detect_sarcasm"}, "it did not call detect_sarcasm but tell_joke"),
        ([WRONG], {"calls": "detect_sarcasm"}, "detect_sarcasm failed: invalid_arguments: score: no"),
        ([SARCASM, JOKE], {"calls": "detect_sarcasm"}, "it called tell_joke too"),
        ([SARCASM], {"calls": "detect_sarcasm", "arguments": {"score": 8}}, "score: '7' is not what equals 8 asks for"),
        ([SARCASM], {"calls": "detect_sarcasm", "arguments": {"score": {"at_least": 8}}},
         "score: '7' is not what at least 8.0 asks for"),
        ([SARCASM], {"calls": "detect_sarcasm", "arguments": {"quote": {"at_most": 8}}},
         "quote: 'Oh, great.' is not what at most 8.0 asks for"),
        ([SARCASM], {"calls": "detect_sarcasm", "arguments": {"mood": {"contains": "x"}}},
         "mood: 'null' is not what contains 'x' asks for"),
        ([WRONG, StepPart(), SARCASM], {"calls": "detect_sarcasm", "corrections": 0}, "1 corrections: score: no"),
        ([TextPart("Hello.")], {"must_say": ["good.*bye"]}, "it did not say /good.*bye/: 'Hello.'"),
        ([SARCASM], {"must_not_say": ["GR.AT"]}, "it said 'great'"),
    ],
)  # fmt: skip
def test_other_outcomes_fail_with_a_reason(parts: list[Part], expectations: dict[str, Any], reason: str) -> None:
    assert why(parts, **expectations) == reason


def test_a_turn_that_did_not_complete_does_not_pass() -> None:
    assert why([TextPart("Hel")], Outcome("incomplete", "length")) == "it ended as incomplete (length)"


def test_the_judge_reads_the_text_that_the_user_sees() -> None:
    nested = ToolCallPart("c", "card", "reply", "", {}, "succeeded", {"a": ["b", {"c": "d"}], "n": 1})
    action = ToolCallPart("c", "weather", "action", "", {}, "succeeded", "hidden")
    assert visible_text(answer(TextPart("Hi."), nested, action, WRONG)) == "Hi.\nb\nd"
