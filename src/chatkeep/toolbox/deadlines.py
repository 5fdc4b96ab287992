"""When a period ends: the days counted as the rules of procedure count them, with every day that was passed over.

Three rules live here. Each says what is not counted, and where a last day goes on which courts are closed:

- United States, federal courts: Federal Rule of Civil Procedure 6(a), as amended on 1 December 2009. A last day that
  is a Saturday, Sunday or legal holiday moves on in the direction of counting (6(a)(1)(C), 6(a)(5)); holidays of the
  state count for periods after an event only (6(a)(6)(C)).
- European Union: Regulation (EEC, Euratom) No 1182/71, Article 3. Periods counted back from an event are not moved
  (3(4)); a period of two days or more has two working days in it (3(5)); weeks and months end on the day that is
  called as the event's day (3(2)(c); Court of Justice, 11 November 2004, C-171/03, Toeters).
- Elsewhere: the same three steps without a statute behind them, and the output says so.

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

MOST = {"days": 3660, "business_days": 366, "weeks": 520, "months": 120, "years": 10}
"""The longest period of each unit: about ten years, and little enough to list every day that was passed over."""

_EU = set("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split())  # noqa: SIM905  # the members, as one line
_WEEKEND = {5, 6}
"""Saturday and Sunday, which both statutes name."""


class Skipped(BaseModel):
    """A day that was not counted, or on which the period could not end."""

    date: date
    weekday: str
    why: str


class Deadline(BaseModel):
    """The last day of the period, and how it was found."""

    deadline: date
    weekday: str
    rule: str
    first_day: Annotated[date, Field(description="The first day that counts.")]
    counted_end: Annotated[date, Field(description="The last day of the period before the rule moved it, if it did.")]
    skipped: list[Skipped]
    notes: list[str]


class _Rule(NamedTuple):
    """How days are counted: the name to cite, the places in it, and where it departs from the others."""

    name: str
    event: str
    end: str
    since: date
    notes: tuple[str, ...]
    moves_back: bool = True
    two_working_days: bool = False


_FEDERAL = _Rule(
    "Federal Rule of Civil Procedure 6(a)(1)",
    "Rule 6(a)(1)(A)",
    "Rule 6(a)(1)(C) and (5)",
    date(2009, 12, 1),
    (
        "Federal courts only: state courts, local rules, statutes and orders may count differently.",
        "Not included: the 3 days that Rule 6(d) adds after some kinds of service.",
    ),
)
_UNION = _Rule(
    "Regulation (EEC, Euratom) No 1182/71, Article 3",
    "Article 3(1)",
    "Article 3(4)",
    date(1971, 7, 1),
    ("For periods set by EU acts: periods of national procedure follow national law.",),
    moves_back=False,
    two_working_days=True,
)
_COMMON = _Rule(
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
    if period > MOST[unit]:
        raise ToolError(f"period: at most {MOST[unit]} {unit}")
    rule = _rule(jurisdiction)
    if event_date < rule.since:
        raise ToolError(f"event_date: {rule.name} counts so since {rule.since}; earlier periods are not calculated")
    step = 1 if direction == "after" else -1
    closed = _Closed(jurisdiction, rule, step)
    closed.check(event_date)
    return _calculated(event_date, period, unit, rule, closed, step)


def _calculated(event: date, period: int, unit: Unit, rule: _Rule, closed: "_Closed", step: int) -> Deadline:
    why = f"the day of the event does not count ({rule.event})"
    found = _Count(event + timedelta(step), step, [_skip(event, why)], list(rule.notes))
    _count(found, event, period, unit, closed)
    counted_end = found.end
    if step > 0 or rule.moves_back:
        found.move(closed, rule.end)
    elif closed.on(found.end):
        found.notes.append("Periods counted back from an event are not moved off a closed day (Article 3(4)).")
    if rule.two_working_days and (period, unit) not in ((1, "days"), (1, "business_days")):
        _have_two_working_days(found, closed)
    return Deadline(
        deadline=found.end,
        weekday=f"{found.end:%A}",
        rule=rule.name,
        first_day=found.first,
        counted_end=counted_end,
        skipped=sorted(found.skipped, key=lambda each: each.date),
        notes=found.notes + closed.notes,
    )


class _Count:
    """A period as it is being counted."""

    def __init__(self, first: date, step: int, skipped: list[Skipped], notes: list[str]) -> None:
        self.first = self.end = first
        self.step = step
        self.skipped = skipped
        self.notes = notes

    def move(self, closed: "_Closed", because: str) -> None:
        """Move the end on to the next day that is not closed."""
        while why := closed.on(self.end):
            self.skipped.append(_skip(self.end, f"{why}: the period cannot end here ({because})"))
            self.end += timedelta(self.step)


class _Closed:
    """The days on which courts are closed, for a period that is counted in one direction."""

    def __init__(self, jurisdiction: str, rule: _Rule, step: int) -> None:
        import holidays

        country, _, part = jurisdiction.partition("-")
        try:
            whole = holidays.country_holidays(country, language="en_US")
            local = holidays.country_holidays(country, subdiv=part or None, language="en_US")
        except NotImplementedError as error:
            raise ToolError(
                f"jurisdiction: {jurisdiction!r} is not known; use a code such as US-CA, DE or FR"
            ) from error
        self.notes = [
            f"Holidays by the library holidays {version('holidays')}; closures by order of a court are not in it."
        ]
        self._calendars = [whole, local] if country == "US" else [local]
        if country == "US" and part and step < 0:
            self._calendars = [whole]
            self.notes.append("State holidays do not count for a period before an event (Rule 6(a)(6)(C)).")
        self._weekend = local.weekend if rule is _COMMON else _WEEKEND
        self._years = range(max(local.start_year, 1), local.end_year + 1)

    def check(self, day: date) -> None:
        """Refuse a day of which nothing is known."""
        if day.year not in self._years:
            raise ToolError(f"event_date: holidays are known for {self._years[0]} to {self._years[-1]} only")

    def on(self, day: date) -> str | None:
        """Why `day` is no working day; None when it is one."""
        self.check(day)
        name = next((name for calendar in self._calendars if (name := calendar.get(day))), None)
        if name is not None:
            return name
        return f"{day:%A}" if day.weekday() in self._weekend else None


def _rule(jurisdiction: str) -> _Rule:
    country = jurisdiction[:2]
    if country == "EU":
        raise ToolError("jurisdiction: EU periods go by the holidays of the member state where one has to act: name it")
    return _FEDERAL if country == "US" else _UNION if country in _EU else _COMMON


def _count(found: _Count, event: date, period: int, unit: Unit, closed: _Closed) -> None:
    """Set the end of the period, as counted, and the days passed over on the way."""
    if unit == "business_days":
        found.notes.append("Working days were counted, as asked: only a rule that says so counts like this.")
        days = (found.end + timedelta(each * found.step) for each in range(8 * period + 60))
        found.end = _nth_working_day(found, days, period, closed)
    elif unit in ("days", "weeks"):
        found.end = event + timedelta(found.step * period * (7 if unit == "weeks" else 1))
    else:
        found.end = _months_from(event, found.step * period * (12 if unit == "years" else 1))
        if found.end.day != event.day:
            found.notes.append(f"{found.end:%B %Y} has no day {event.day}: its last day is taken.")


def _nth_working_day(found: _Count, days: Iterator[date], number: int, closed: _Closed) -> date:
    for day in days:
        if why := closed.on(day):
            found.skipped.append(_skip(day, f"{why}: not a working day"))
        elif (number := number - 1) == 0:
            return day
    raise ToolError("period: there are not that many working days in sight")


def _have_two_working_days(found: _Count, closed: _Closed) -> None:
    """Let the period go on until two working days are in it (Regulation 1182/71, Article 3(5))."""
    length = abs((found.end - found.first).days) + 1
    working = sum(closed.on(found.first + timedelta(each * found.step)) is None for each in range(length))
    if working >= 2:
        return
    found.notes.append("A period of two days or more has at least two working days in it (Article 3(5)).")
    while working < 2:
        found.end += timedelta(found.step)
        found.move(closed, "Article 3(5)")
        working += 1


def _months_from(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _skip(day: date, why: str) -> Skipped:
    return Skipped(date=day, weekday=f"{day:%A}", why=why)
