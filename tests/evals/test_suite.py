"""Suites are files: read, and refused with file and line."""

from pathlib import Path

import pytest

from chatkeep import toolbox
from chatkeep.assistants import Library
from chatkeep.errors import CannotStart
from chatkeep.evals.suite import NONE, load, parse, shipped
from chatkeep.tools import declared

assert toolbox is not None  # importing it declares the functions
FUNCTIONS = list(declared())
GOOD = """# A suite.
assistant: default
date: 2026-03-02
cases:
  - name: tells a joke
    practice: true
    exchanges:
      - says: A joke!
        calls: tell_joke
        arguments:
          text: {contains: chicken}
  - name: talks
    exchanges:
      - says: Hello.
        calls: none
"""


def test_a_suite_is_read() -> None:
    suite = parse("mine.yaml", GOOD, FUNCTIONS)
    first, second = suite.cases
    assert (suite.assistant, f"{suite.date}") == ("default", "2026-03-02")
    assert (first.practice, second.practice) == (True, False)
    assert first.exchanges[0].arguments["text"].contains == "chicken"
    assert second.exchanges[0].calls == NONE


def test_a_date_is_text_and_a_plain_value_is_exact() -> None:
    text = GOOD.replace("text: {contains: chicken}", "day: 2026-02-13\n          number: 21")
    arguments = parse("mine.yaml", text, FUNCTIONS).cases[0].exchanges[0].arguments
    assert (arguments["day"].equals, arguments["number"].equals) == ("2026-02-13", 21)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("assistant: default", "assistent: default", 1, "assistant: Field required"),
        ("date: 2026-03-02", "date: tomorrow", 3, "date"),
        ("    practice: true", "    practise: true", 6, "cases.0.practise: Extra inputs are not permitted"),
        ("calls: tell_joke", "calls: tell_jokes", 9, "unknown function tell_jokes"),
        ("calls: none", "may_call: [none, shout]", 15, "unknown function shout"),
        ("{contains: chicken}", "{contain: chicken}", 11, "contain: Extra inputs"),
        ("{contains: chicken}", "{}", 11, "say one of equals, contains, matches, at_least, at_most"),
        ("{contains: chicken}", "{matches: '('}", 11, "not a regular expression"),
        ("calls: none", "must_say: ['*']", 15, "not a regular expression"),
        ("says: Hello.", "says: ''", 14, "says: String should have at least 1 character"),
        ("name: talks", "name: tells a joke", 12, "a case 'tells a joke' is there already"),
        ("says: Hello.", "says: 'Hello.", 16, "unexpected end of stream"),
        (GOOD, "- a\n", 1, "suite: Input should be a valid dictionary"),
        (GOOD, "", 1, "suite: Input should be a valid dictionary"),
    ],
)
def test_a_wrong_suite_is_refused_with_file_and_line(old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    with pytest.raises(CannotStart) as refused:
        parse("mine.yaml", GOOD.replace(old, new), FUNCTIONS)
    told = str(refused.value)
    assert message in told
    assert told.startswith("mine.yaml:")
    assert "\n" not in told
    assert int(told.split(":")[1]) == line, told


@pytest.mark.parametrize("name", shipped())
def test_each_assistant_that_comes_with_chatkeep_has_a_suite(name: str) -> None:
    suite = load(name, FUNCTIONS)
    assistant = Library(None, declared())[name]
    assert suite.assistant == name
    assert any(case.practice for case in suite.cases)
    assert any(not case.practice for case in suite.cases)
    called = {each.calls for case in suite.cases for each in case.exchanges}
    assert {NONE, *assistant.functions} >= called - {None}
    assert NONE in called


def test_the_suites_are_those_of_the_assistants() -> None:
    assert shipped() == [each.name for each in Library(None, declared()).all()]


def test_an_operator_s_own_suite_is_found_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    assert len(load(str(tmp_path / "mine.yaml"), FUNCTIONS).cases) == 2
    with pytest.raises(CannotStart, match=r"there is no suite 'nobody'; known: counsel, default, scribe, or a path"):
        load("nobody", FUNCTIONS)
    (tmp_path / "latin.yaml").write_bytes("name: J\u00fcrgen".encode("latin-1"))
    with pytest.raises(CannotStart, match="not UTF-8"):
        load(str(tmp_path / "latin.yaml"), FUNCTIONS)
