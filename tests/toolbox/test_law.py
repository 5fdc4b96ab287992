"""The card of a legal answer: its required fields, and the sources of its authorities."""

from typing import Any

import pytest

from chatkeep import toolbox
from chatkeep.tools.arguments import InvalidArguments
from chatkeep.tools.declaration import declared_tools

assert toolbox.law  # importing it declares the functions

ANSWER: dict[str, Any] = {
    "issue": "Whether a landlord in Berlin may keep the deposit without a reason (German law).",
    "rule": "A deposit secures the landlord's claims and is paid back when there are none.",
    "application": "No claim was named.",
    "conclusion": "Ask in writing for an account of the deposit.",
    "confidence": "medium",
    "unknown": ["When the tenancy ended."],
    "authorities": [{"name": "§ 551 BGB", "source": "given_by_user", "says": "How large a deposit may be."}],
    "quotes": [{"text": "the deposit", "file": None, "page": None}],
}


def refusal(**wrong: Any) -> str:
    with pytest.raises(InvalidArguments) as refused:
        declared_tools()["legal_answer"].check({**ANSWER, **wrong})
    return str(refused.value)


def test_a_complete_answer_is_unchanged() -> None:
    assert declared_tools()["legal_answer"].check(ANSWER) == ANSWER


def test_authorities_may_be_none_and_unknowns_may_not() -> None:
    assert declared_tools()["legal_answer"].check({**ANSWER, "authorities": []})["authorities"] == []
    assert refusal(unknown=[]).startswith("unknown: ")


def test_an_authority_names_its_source() -> None:
    name, says = "Smith v Jones", "Anything."
    assert refusal(authorities=[{"name": name, "says": says}]).startswith("authorities.0.source: ")
    looked_up = refusal(authorities=[{"name": name, "says": says, "source": "looked_up"}])
    assert "'given_by_user' or 'general_knowledge_to_be_checked'" in looked_up


def test_confidence_is_one_of_three_words() -> None:
    assert "'low', 'medium' or 'high'" in refusal(confidence="certain")
