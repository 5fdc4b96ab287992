"""Deadlines: worked examples with their sources, and laws that hold for every period."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkeep import toolbox
from chatkeep.chat.types import CallError
from chatkeep.toolbox.deadlines import MAX_PERIOD_BY_UNIT, Deadline, Unit, court_deadline
from chatkeep.tools.arguments import InvalidArguments
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import ToolError, declared_tools
from chatkeep.tools.execution import ValidatedCall, run_call

assert toolbox.deadlines  # importing it declares the functions

PLACES = ("US", "US-CA", "US-DC", "DE", "DE-BY", "FR", "IE", "GB-ENG", "JP", "SA")
NO_DAY_OFF = "no Saturday, Sunday or holiday"

dates = st.dates(date(2010, 1, 1), date(2060, 12, 31))
places = st.sampled_from(PLACES)
directions = st.sampled_from(["after", "before"])
LONGEST: dict[Unit, int] = {"days": 400, "business_days": 60, "weeks": 60, "months": 60, "years": 10}
units: st.SearchStrategy[Unit] = st.sampled_from(list(LONGEST))
periods = units.flatmap(lambda unit: st.tuples(st.integers(1, LONGEST[unit]), st.just(unit)))


def day(text: str) -> date:
    return date.fromisoformat(text)


def why(computed: Deadline) -> dict[str, str]:
    """Return the skipped days and their reasons, without the event's day."""
    return {f"{each.date}": each.why.partition(":")[0] for each in computed.skipped if "event" not in each.why}


@pytest.mark.parametrize(
    ("event", "period", "place", "direction", "deadline", "skipped"),
    [
        # Committee notes of 2009 on FRCP 6(a)(5) and FRAP 26(a)(5), with Labor Day on Monday, 3 September: due within
        # 10 days, and the 10th is Saturday, 1 September: Tuesday the 4th; due 10 days before: Friday, 31 August.
        # (The notes' year is 2007; 2018 has the same days, and falls under the rule as amended.)
        ("2018-08-22", (10, "days"), "US", "after", "2018-09-04", "Saturday Sunday Labor-Day"),
        ("2018-09-11", (10, "days"), "US", "before", "2018-08-31", "Saturday"),
        # FRCP 12(a)(1)(A)(i): an answer within 21 days after service.
        ("2026-03-02", (21, "days"), "US", "after", "2026-03-23", ""),
        # FRCP 6(c)(2): an opposing affidavit at least 7 days before; Christmas Eve is no holiday by statute.
        ("2025-01-01", (7, "days"), "US", "before", "2024-12-24", "Christmas-Day"),
        # 5 U.S.C. 6103(b): a holiday on a Saturday is kept on the Friday before; also across the turn of the year.
        ("2026-07-02", (1, "days"), "US", "after", "2026-07-06", "Independence-Day-(observed) Independence-Day Sunday"),
        ("2027-12-30", (1, "days"), "US", "after", "2028-01-03", "New-Year's-Day-(observed) New-Year's-Day Sunday"),
        # FRCP 6(a)(6)(C): holidays of the state count after an event, and not before one (Cesar Chavez Day).
        ("2026-03-30", (1, "days"), "US-CA", "after", "2026-04-01", "Cesar-Chavez-Day"),
        ("2026-03-30", (1, "days"), "US", "after", "2026-03-31", ""),
        ("2026-04-01", (1, "days"), "US-CA", "before", "2026-03-31", ""),
        # A federal holiday counts in a state that does not keep it: Columbus Day in California.
        ("2026-10-11", (1, "days"), "US-CA", "after", "2026-10-13", "Columbus-Day"),
        # Regulation 1182/71, Article 3(2)(c): three weeks end on the day that is called as the event's, as the Court
        # read it in C-171/03, Toeters. The animals of that case were slaughtered on 27 January, 13 and 16 March 1998.
        ("1998-01-27", (3, "weeks"), "NL", "after", "1998-02-17", ""),
        ("1998-03-13", (3, "weeks"), "NL", "after", "1998-04-03", ""),
        ("1998-03-16", (3, "weeks"), "NL", "after", "1998-04-06", ""),
        ("1998-03-14", (3, "weeks"), "NL", "after", "1998-04-06", "Saturday Sunday"),
        # Article 3(2)(c), second sentence: no such day in the last month. Here the last day is a working day.
        ("2026-01-31", (3, "months"), "FR", "after", "2026-04-30", ""),
        ("2028-02-29", (1, "years"), "FR", "after", "2029-02-28", ""),
        # Article 3(4): Easter, and not for periods counted back.
        ("2026-03-23", (12, "days"), "FR", "after", "2026-04-07", "Saturday Sunday Easter-Monday"),
        ("2026-04-16", (12, "days"), "FR", "before", "2026-04-04", ""),
        # Article 3(5): two working days at least.
        ("2026-12-24", (2, "days"), "DE", "after", "2026-12-29", "Second-Day-of-Christmas Sunday"),
        ("2026-12-24", (1, "days"), "DE", "after", "2026-12-28", "Christmas-Day Second-Day-of-Christmas Sunday"),
        # Article 3(3): working days, where the act says so. Corpus Christi is a holiday in Bavaria, not in Berlin.
        ("2026-06-02", (3, "business_days"), "DE-BY", "after", "2026-06-08", "Corpus-Christi Saturday Sunday"),
        ("2026-06-02", (3, "business_days"), "DE-BE", "after", "2026-06-05", ""),
        # Elsewhere weekends are other days.
        ("2026-09-30", (1, "days"), "SA", "after", "2026-10-01", ""),
        ("2026-10-01", (1, "days"), "SA", "after", "2026-10-04", "Friday Saturday"),
    ],
)
def test_worked_examples_give_their_deadlines(
    event: str, period: tuple[int, Unit], place: str, direction: Any, deadline: str, skipped: str
) -> None:
    computed = court_deadline(day(event), *period, place, direction)
    assert (computed.deadline, computed.weekday) == (day(deadline), f"{day(deadline):%A}")
    assert [reason.replace(" ", "-") for reason in why(computed).values()] == skipped.split()


@pytest.mark.parametrize(
    ("place", "rule", "article"),
    [
        ("US-NY", "Federal Rule of Civil Procedure 6(a)(1)", "Rule 6(a)(1)(A)"),
        ("IE", "Regulation (EEC, Euratom) No 1182/71, Article 3", "Article 3(1)"),
        ("GB-SCT", "the common way of counting, no statute", "the usual rule"),
    ],
)
def test_the_output_names_the_rule(place: str, rule: str, article: str) -> None:
    computed = court_deadline(day("2026-03-02"), 7, "days", place, "after")
    assert computed.rule == rule
    assert computed.skipped[0].why == f"the day of the event does not count ({article})"
    assert computed.first_day == day("2026-03-03")
    assert any("holidays" in note for note in computed.notes)


def test_the_notes_name_what_was_not_considered() -> None:
    notes = " ".join(court_deadline(day("2026-01-31"), 1, "months", "US", "after").notes)
    assert "Rule 6(d)" in notes
    assert "February 2026 has no day 31" in notes
    assert "No procedural law of this place" in " ".join(
        court_deadline(day("2026-03-02"), 7, "days", "JP", "after").notes
    )
    assert "are not moved" in " ".join(court_deadline(day("2026-04-16"), 12, "days", "FR", "before").notes)
    assert "as asked" in " ".join(court_deadline(day("2026-04-16"), 2, "business_days", "US", "after").notes)


@pytest.mark.parametrize(
    ("event", "period", "unit", "place", "message"),
    [
        ("2026-03-02", 7, "days", "ZZ", "jurisdiction: 'ZZ' is not known; use a code such as US-CA, DE or FR"),
        ("2026-03-02", 7, "days", "US-ZZ", "jurisdiction: 'US-ZZ' is not known; use a code such as US-CA, DE or FR"),
        ("2026-03-02", 7, "days", "EU", "jurisdiction: EU periods go by the holidays of the member state"),
        ("2026-03-02", 53, "years", "US", "period: at most 10 years"),
        (
            "2009-11-30",
            7,
            "days",
            "US",
            "event_date: Federal Rule of Civil Procedure 6(a)(1) counts so since 2009-12-01",
        ),
        ("1971-06-30", 7, "days", "FR", "event_date: Regulation"),
        ("2099-12-01", 2, "years", "US", "event_date: holidays are known for"),
        ("9999-12-01", 2, "years", "US", "event_date: holidays are known for"),
        ("9999-12-30", 10, "days", "US", "event_date: holidays are known for"),
    ],
)
def test_a_period_that_cannot_be_calculated_is_refused(
    event: str, period: int, unit: Unit, place: str, message: str
) -> None:
    with pytest.raises(ToolError) as refused:
        court_deadline(day(event), period, unit, place, "after")
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"event_date": "2 March 2026"}, "event_date: "),
        ({"event_date": "2026-02-30"}, "event_date: "),
        ({"period": 0}, "period: "),
        ({"period": "21"}, "period: "),
        ({"unit": "court days"}, "unit: "),
        ({"jurisdiction": "California"}, "jurisdiction: "),
        ({"direction": "backward"}, "direction: "),
    ],
)
def test_arguments_are_not_guessed(wrong: dict[str, Any], named: str) -> None:
    good = {"event_date": "2026-03-02", "period": 21, "unit": "days", "jurisdiction": "US", "direction": "after"}
    assert declared_tools()["court_deadline"].check(good) == good
    with pytest.raises(InvalidArguments, match=f"^{named}"):
        declared_tools()["court_deadline"].check({**good, **wrong})


@pytest.mark.anyio
async def test_a_model_is_told_the_date_in_words_and_figures() -> None:
    tool = declared_tools()["court_deadline"]
    arguments = {"event_date": "2026-03-02", "period": 21, "unit": "days", "jurisdiction": "US", "direction": "after"}
    result = await run_call(ValidatedCall(tool, arguments), ToolContext("me", "s", "r"), 10)
    assert (result.output["deadline"], result.output["weekday"]) == ("2026-03-23", "Monday")
    result = await run_call(ValidatedCall(tool, {**arguments, "jurisdiction": "ZZ"}), ToolContext("me", "s", "r"), 10)
    assert result.error == CallError(
        "tool_error", "jurisdiction: 'ZZ' is not known; use a code such as US-CA, DE or FR"
    )


@settings(deadline=None)
@given(dates, periods, places, directions)
def test_a_deadline_is_on_the_right_side_and_lists_skipped_days(
    event: date, period: tuple[int, Unit], place: str, direction: Any
) -> None:
    computed = court_deadline(event, *period, place, direction)
    step = 1 if direction == "after" else -1
    assert (computed.deadline - event).days * step >= 1
    assert (computed.deadline - computed.counted_end).days * step >= 0
    assert computed.first_day == event + timedelta(step)
    assert [each.date for each in computed.skipped] == sorted({each.date for each in computed.skipped})
    passed = {each.date for each in computed.skipped}
    assert event in passed
    assert computed.deadline not in passed
    assert all(min(event, computed.deadline) <= each <= max(event, computed.deadline) for each in passed)
    if place[:2] not in ("DE", "FR", "IE"):  # there, working days may be passed over to have two (Article 3(5))
        moved = {
            computed.counted_end + timedelta(step * each)
            for each in range(abs((computed.deadline - computed.counted_end).days))
        }
        assert moved <= passed


@settings(deadline=None)
@given(dates, periods, st.sampled_from(("US", "US-CA", "GB-ENG", "DE", "FR")))
def test_a_period_after_an_event_ends_on_a_working_day(event: date, period: tuple[int, Unit], place: str) -> None:
    computed = court_deadline(event, *period, place, "after")
    assert computed.deadline.weekday() < 5
    again = court_deadline(computed.deadline - timedelta(1), 1, "days", place, "after")
    assert again.deadline == computed.deadline, NO_DAY_OFF


@settings(deadline=None)
@given(dates, st.integers(1, 200), st.integers(0, 30), places, directions)
def test_a_longer_period_never_ends_sooner(event: date, period: int, more: int, place: str, direction: Any) -> None:
    short = court_deadline(event, period, "days", place, direction)
    long = court_deadline(event, period + more, "days", place, direction)
    assert abs((long.deadline - event).days) >= abs((short.deadline - event).days)


@settings(deadline=None)
@given(dates, st.integers(0, 60), periods, places)
def test_a_later_event_never_ends_sooner(event: date, later: int, period: tuple[int, Unit], place: str) -> None:
    first = court_deadline(event, *period, place, "after")
    assert court_deadline(event + timedelta(later), *period, place, "after").deadline >= first.deadline


@settings(deadline=None)
@given(dates, st.integers(1, 60), places)
def test_working_days_are_the_days_not_skipped(event: date, period: int, place: str) -> None:
    computed = court_deadline(event, period, "business_days", place, "after")
    assert (computed.deadline - event).days == period + len(computed.skipped) - 1


@settings(deadline=None)
@given(dates, st.integers(1, 100), places, directions)
def test_weeks_are_seven_days_and_years_twelve_months(event: date, number: int, place: str, direction: Any) -> None:
    weeks = court_deadline(event, number, "weeks", place, direction)
    assert weeks == court_deadline(event, 7 * number, "days", place, direction)
    years = court_deadline(event, number % 10 + 1, "years", place, direction)
    assert years == court_deadline(event, 12 * (number % 10 + 1), "months", place, direction)


@pytest.mark.parametrize("unit", MAX_PERIOD_BY_UNIT)
def test_the_output_of_the_longest_period_is_not_cut(unit: Unit) -> None:
    computed = court_deadline(day("2026-03-02"), MAX_PERIOD_BY_UNIT[unit], unit, "US-CA", "after")
    assert len(computed.model_dump_json()) < 65_536
