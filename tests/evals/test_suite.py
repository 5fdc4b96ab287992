"""Suites are files: read, or refused with file and line."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatkeep import toolbox
from chatkeep.agent.assistants import AssistantLibrary
from chatkeep.errors import CannotStart
from chatkeep.evals.suite import NONE, builtin_suites, load_suite, parse_suite
from chatkeep.tools.declaration import declared_tools

assert toolbox is not None  # importing it declares the functions
FUNCTIONS = declared_tools()
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
    suite = parse_suite("mine.yaml", GOOD, FUNCTIONS)
    first, second = suite.cases
    assert (suite.assistant, f"{suite.date}") == ("default", "2026-03-02")
    assert (first.practice, second.practice) == (True, False)
    assert first.exchanges[0].arguments["text"].contains == "chicken"
    assert second.exchanges[0].calls == NONE


def test_a_date_is_text_and_a_plain_value_is_exact() -> None:
    text = GOOD.replace("text: {contains: chicken}", "event_date: 2026-02-13\n          period: 21")
    text = text.replace("tell_joke", "court_deadline")
    arguments = parse_suite("mine.yaml", text, FUNCTIONS).cases[0].exchanges[0].arguments
    assert (arguments["event_date"].equals, arguments["period"].equals) == ("2026-02-13", 21)


def test_a_suite_without_a_date_happens_today() -> None:
    before = datetime.now(UTC).date()
    date = parse_suite("mine.yaml", GOOD.replace("date: 2026-03-02\n", ""), FUNCTIONS).date
    assert before <= date <= datetime.now(UTC).date()


def test_a_function_with_free_arguments_can_expect_any() -> None:
    joke = FUNCTIONS["tell_joke"]
    taking = replace(joke, parameters={**joke.parameters, "additionalProperties": True})
    text = GOOD.replace("          text: {", "          anything: {")
    assert parse_suite("mine.yaml", text, {"tell_joke": taking}).cases[0].exchanges[0].arguments.keys() == {"anything"}


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("assistant: default", "", 1, "assistant: Field required"),
        ("assistant: default", "assistent: default", 2, ": unknown key 'assistent'; known: assistant, date, cases"),
        ("date: 2026-03-02", "date: tomorrow", 3, "date"),
        (
            "    practice: true",
            "    practise: true",
            6,
            "cases.0: unknown key 'practise'; known: name, practice, exchanges",
        ),
        ("says: A joke!", "said: A joke!", 8, "exchanges.0: unknown key 'said'; known: says, calls, arguments, "),
        ("calls: tell_joke", "calls: tell_jokes", 9, "calls: unknown function tell_jokes; known: "),
        ("text: {contains", "txt: {contains", 11, ": tell_joke has no argument 'txt'; known: text"),
        ("        calls: tell_joke\n", "", 9, ": arguments: of which function? calls names none"),
        ("calls: tell_joke", "calls: none", 10, ": arguments: of which function? calls names none"),
        ("calls: none", "may_call: [none, shout]", 15, "unknown function shout"),
        ("{contains: chicken}", "{contain: chicken}", 11, "text: unknown key 'contain'; known: equals, contains"),
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
        parse_suite("mine.yaml", GOOD.replace(old, new), FUNCTIONS)
    error_line = str(refused.value)
    assert message in error_line
    assert error_line.startswith("mine.yaml:")
    assert "\n" not in error_line
    assert int(error_line.split(":")[1]) == line, error_line


@pytest.mark.parametrize("name", builtin_suites())
def test_each_assistant_that_comes_with_chatkeep_has_a_suite(name: str) -> None:
    suite = load_suite(name, FUNCTIONS)
    assistant = AssistantLibrary(None, declared_tools())[name]
    assert suite.assistant == name
    assert any(case.practice for case in suite.cases)
    assert any(not case.practice for case in suite.cases)
    called = {each.calls for case in suite.cases for each in case.exchanges}
    assert {NONE, *assistant.functions} >= called - {None}
    assert NONE in called


def test_the_suites_are_those_of_the_assistants() -> None:
    names = [each.name for each in AssistantLibrary(None, declared_tools()).all()]
    assert builtin_suites() == [name for name in names if name != "plain"]  # it has no words that could be measured


def test_an_operator_s_own_suite_is_found_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    assert len(load_suite(str(tmp_path / "mine.yaml"), FUNCTIONS).cases) == 2
    with pytest.raises(CannotStart, match=r"there is no suite 'nobody'; known: counsel, default, scribe, or a path"):
        load_suite("nobody", FUNCTIONS)
    (tmp_path / "latin.yaml").write_bytes("name: J\u00fcrgen".encode("latin-1"))
    with pytest.raises(CannotStart, match="not UTF-8"):
        load_suite(str(tmp_path / "latin.yaml"), FUNCTIONS)
