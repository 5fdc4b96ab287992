"""`chatkeep usage`: tokens and cost of the last days, by day and model, over all owners."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

from chatkeep import clock
from chatkeep.runs.loading import open_database
from chatkeep.settings import Settings
from chatkeep.store import usage as store_usage
from chatkeep.store.usage import RunUsage

COLUMNS = ("runs", "failed", "input", "cached", "output", "reasoning")
"""The columns with numbers. The cached input is part of the input, the reasoning part of the output."""
_BILLION = 10**9


async def print_usage(settings: Settings, days: int) -> None:
    """Print a line for each day and model, oldest first, and the sums. Days are those of UTC."""
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    sums: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    since, after = first.strftime(clock.FORMAT), (-1, 0)
    db = await open_database(settings)
    try:
        while page := await db.snapshot(lambda tx, after=after: store_usage.list_usage(tx, since, after)):
            for run in page:
                _add(sums[run.created_at[:10], run.model], run)
            after = page[-1][:2]
    finally:
        await db.close()
    print(_line("day", "model", COLUMNS, f"cost {settings.currency}"))
    for (day, model), numbers in sorted(sums.items()):
        print(_row(day, model, numbers))
    total: Counter[str] = Counter()
    for numbers in sums.values():
        total.update(numbers)
    print(_row("sum", "", total))
    if total["unpriced"]:
        print("* without calls whose price is not known")


def _add(numbers: Counter[str], run: RunUsage) -> None:
    numbers["runs"] += 1
    numbers["failed"] += run.status == "failed"
    numbers["input"] += run.input_tokens
    numbers["cached"] += run.cached_input_tokens
    numbers["output"] += run.output_tokens
    numbers["reasoning"] += run.reasoning_tokens
    numbers["cost"] += run.cost or 0
    numbers["unpriced"] += run.cost is None


def _row(day: str, model: str, numbers: Counter[str]) -> str:
    cost = f"{numbers['cost'] / _BILLION:,.4f}{'*' if numbers['unpriced'] else ' '}"
    return _line(day, model, [f"{numbers[column]:,}" for column in COLUMNS], cost)


def _line(day: str, model: str, numbers: "tuple[str, ...] | list[str]", cost: str) -> str:
    return f"{day:<11}{model:<28}" + "".join([f"{number:>14}" for number in numbers]) + f"{cost:>14}"
