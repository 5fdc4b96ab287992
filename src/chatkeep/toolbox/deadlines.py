"""Counts court deadlines by the rules of procedure, and lists every day that was skipped.

A period is counted in three steps. The day of the event is left out. The period is counted from the next day on, or
backwards from the day before. A last day on which courts are closed is moved. Three rules differ in the details:

- United States, federal courts: Federal Rule of Civil Procedure 6(a), as amended on 1 December 2009. A last day that
  is a Saturday, Sunday or legal holiday moves on in the direction of counting (6(a)(1)(C), 6(a)(5)); holidays of the
  state count for periods after an event only (6(a)(6)(C)).
- European Union: Regulation (EEC, Euratom) No 1182/71, Article 3. The last day of a period counted back is not moved
  (3(4)). A period of two days or more contains two working days (3(5)). Weeks and months end on the day of the same
  name or number as the event's (3(2)(c); Court of Justice, 11 November 2004, C-171/03, Toeters).
- Elsewhere: the same three steps without a statute behind them, and the output says so.

    Mon 2   Tue 3   Wed 4   Thu 5   Fri 6   Sat 7         Sun 8    Mon 9
    event   1       2       3       4       5, closed     closed   deadline      5 days after Monday, 2 March 2026

Weekends and holidays come from the `holidays` library.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.metadata import version
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, Field

from chatkeep.tools.declaration import ToolError, tool

Unit: TypeAlias = Literal["days", "business_days", "weeks", "months", "years"]

MAX_PERIOD_BY_UNIT = {"days": 3660, "business_days": 366, "weeks": 520, "months": 120, "years": 10}
"""The longest period, in each unit: about ten years, and short enough to list every day that was skipped."""

_EU_MEMBERS = set("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split())  # noqa: SIM905  # the members, as one line
_WEEKEND = {5, 6}
"""Saturday and Sunday, which both statutes name, as `date.weekday()` counts."""


class Skipped(BaseModel):
    """A day that was not counted, or on which the period could not end."""

    date: date
    weekday: str
    why: str


class Deadline(BaseModel):
    """The last day of the period, and how it was counted."""

    deadline: date
    weekday: str
    rule: str
    first_day: Annotated[date, Field(description="The first day that counts.")]
    counted_end: Annotated[date, Field(description="The last day of the period before the rule moved it, if it did.")]
    skipped: list[Skipped]
    notes: list[str]


class _Rule(NamedTuple):
    """One way of counting.

    `event` and `end` cite the provisions on the day of the event and on a last day that is moved. `since` is the
    earliest day of an event. `moves_back`: a last day is moved also when the period is counted back.
    """

    name: str
    event: str
    end: str
    since: date
    notes: tuple[str, ...]
    moves_back: bool = True
    two_working_days: bool = False


_FEDERAL_RULE = _Rule(
    "Federal Rule of Civil Procedure 6(a)(1)",
    "Rule 6(a)(1)(A)",
    "Rule 6(a)(1)(C) and (5)",
    date(2009, 12, 1),
    (
        "Federal courts only: state courts, local rules, statutes and orders may count differently.",
        "Not included: the 3 days that Rule 6(d) adds after some kinds of service.",
    ),
)
_EU_RULE = _Rule(
    "Regulation (EEC, Euratom) No 1182/71, Article 3",
    "Article 3(1)",
    "Article 3(4)",
    date(1971, 7, 1),
    ("For periods set by EU acts: periods of national procedure follow national law.",),
    moves_back=False,
    two_working_days=True,
)
_GENERAL_RULE = _Rule(
    "the common way of counting, no statute",
    "the usual rule",
    "the usual rule",
    date(1990, 1, 1),
    ("No procedural law of this place is known here: check how it counts before relying on this date.",),
)


@tool(safety="read_only", timeout=10)
def court_deadline(
    event_date: Annotated[date, Field(description="The day of the event, such as service or a hearing: YYYY-MM-DD.")],
    period: Annotated[int, Field(ge=1, le=3660, description="How many of the unit.")],
    unit: Annotated[Unit, Field(description="days are calendar days; business_days only if the rule says so.")],
    jurisdiction: Annotated[
        str,
        Field(
            pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$",
            description="ISO code of the country or its part: US (federal courts), US-CA, DE, DE-BY, FR.",
        ),
    ],
    direction: Annotated[
        Literal["after", "before"], Field(description="after: within a period of the event. before: at least so long.")
    ],
) -> Deadline:
    """Calculate the last day of a court or procedural period. Use it for every deadline: never count days yourself."""
    if period > MAX_PERIOD_BY_UNIT[unit]:
        raise ToolError(f"period: at most {MAX_PERIOD_BY_UNIT[unit]} {unit}")
    rule = _find_rule(jurisdiction)
    if event_date < rule.since:
        raise ToolError(f"event_date: {rule.name} counts so since {rule.since}; earlier periods are not calculated")
    step = 1 if direction == "after" else -1
    calendar = _CourtCalendar(jurisdiction, rule, step)
    calendar.check(event_date)
    return _calculate(event_date, period, unit, rule, calendar, step)


def _find_rule(jurisdiction: str) -> _Rule:
    country = jurisdiction[:2]
    if country == "EU":
        raise ToolError("jurisdiction: EU periods go by the holidays of the member state where one has to act: name it")
    return _FEDERAL_RULE if country == "US" else _EU_RULE if country in _EU_MEMBERS else _GENERAL_RULE


class _CourtCalendar:
    """The days on which courts are closed. `step` is 1 for a period after an event and -1 for one before it."""

    def __init__(self, jurisdiction: str, rule: _Rule, step: int) -> None:
        import holidays

        country, _, part = jurisdiction.partition("-")
        try:
            national = holidays.country_holidays(country, language="en_US")
            local = holidays.country_holidays(country, subdiv=part or None, language="en_US")
        except NotImplementedError as error:
            raise ToolError(
                f"jurisdiction: {jurisdiction!r} is not known; use a code such as US-CA, DE or FR"
            ) from error
        self.notes = [
            f"Holidays by the library holidays {version('holidays')}; closures by order of a court are not in it."
        ]
        self._calendars = [national, local] if country == "US" else [local]
        if country == "US" and part and step < 0:
            self._calendars = [national]
            self.notes.append("State holidays do not count for a period before an event (Rule 6(a)(6)(C)).")
        self._weekend = local.weekend if rule is _GENERAL_RULE else _WEEKEND
        self._years = range(max(local.start_year, 1), local.end_year + 1)

    def check(self, day: date) -> None:
        """Check that the library knows the holidays of the year of `day`.

        Raises:
            ToolError: it does not.
        """
        if day.year not in self._years:
            raise ToolError(f"event_date: holidays are known for {self._years[0]} to {self._years[-1]} only")

    def find_closure(self, day: date) -> str | None:
        """Return why courts are closed on `day`, a holiday or a weekday by name; None if it is a working day."""
        self.check(day)
        name = next((name for calendar in self._calendars if (name := calendar.get(day))), None)
        if name is not None:
            return name
        return f"{day:%A}" if day.weekday() in self._weekend else None


class _Period:
    """A period while it is counted: its first and last day, the skipped days, and notes on the result."""

    def __init__(self, first: date, step: int, skipped: list[Skipped], notes: list[str]) -> None:
        self.first = self.end = first
        self.step = step
        self.skipped = skipped
        self.notes = notes

    def move_end(self, calendar: _CourtCalendar, provision: str) -> None:
        """Move the last day to the next working day, in the direction of counting; `provision` is cited."""
        while why := calendar.find_closure(self.end):
            self.skipped.append(_skipped(self.end, f"{why}: the period cannot end here ({provision})"))
            self.end += timedelta(self.step)


def _calculate(event: date, length: int, unit: Unit, rule: _Rule, calendar: _CourtCalendar, step: int) -> Deadline:
    why = f"the day of the event does not count ({rule.event})"
    period = _Period(event + timedelta(step), step, [_skipped(event, why)], list(rule.notes))
    _count(period, event, length, unit, calendar)
    counted_end = period.end
    if step > 0 or rule.moves_back:
        period.move_end(calendar, rule.end)
    elif calendar.find_closure(period.end):
        period.notes.append("Periods counted back from an event are not moved off a closed day (Article 3(4)).")
    if rule.two_working_days and (length, unit) not in ((1, "days"), (1, "business_days")):
        _extend_to_two_working_days(period, calendar)
    return Deadline(
        deadline=period.end,
        weekday=f"{period.end:%A}",
        rule=rule.name,
        first_day=period.first,
        counted_end=counted_end,
        skipped=sorted(period.skipped, key=lambda each: each.date),
        notes=period.notes + calendar.notes,
    )


def _count(period: _Period, event: date, length: int, unit: Unit, calendar: _CourtCalendar) -> None:
    """Set the last day of the period before it is moved, and add the days skipped on the way."""
    if unit == "business_days":
        period.notes.append("Working days were counted, as asked: only a rule that says so counts like this.")
        days = (period.end + timedelta(each * period.step) for each in range(8 * length + 60))
        period.end = _find_working_day(period, days, length, calendar)
    elif unit in ("days", "weeks"):
        period.end = event + timedelta(period.step * length * (7 if unit == "weeks" else 1))
    else:
        period.end = _add_months(event, period.step * length * (12 if unit == "years" else 1))
        if period.end.day != event.day:
            period.notes.append(f"{period.end:%B %Y} has no day {event.day}: its last day is taken.")


def _find_working_day(period: _Period, days: Iterator[date], number: int, calendar: _CourtCalendar) -> date:
    """Return the working day with that number among `days`, from 1, and add the closed days before it as skipped."""
    for day in days:
        if why := calendar.find_closure(day):
            period.skipped.append(_skipped(day, f"{why}: not a working day"))
        elif (number := number - 1) == 0:
            return day
    raise ToolError("period: there are not that many working days in sight")


def _add_months(day: date, months: int) -> date:
    """Return the same day of the month `months` later; the last day of that month if it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _extend_to_two_working_days(period: _Period, calendar: _CourtCalendar) -> None:
    """Extend the period until it contains two working days (Regulation 1182/71, Article 3(5))."""
    length = abs((period.end - period.first).days) + 1
    days = (period.first + timedelta(each * period.step) for each in range(length))
    working = sum(calendar.find_closure(day) is None for day in days)
    if working >= 2:
        return
    period.notes.append("A period of two days or more has at least two working days in it (Article 3(5)).")
    while working < 2:
        period.end += timedelta(period.step)
        period.move_end(calendar, "Article 3(5)")
        working += 1


def _skipped(day: date, why: str) -> Skipped:
    return Skipped(date=day, weekday=f"{day:%A}", why=why)
