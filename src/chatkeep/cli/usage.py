"""`chatkeep usage`: tokens and cost of the last days, by day and model, over all owners."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from msgspec import structs

from chatkeep.runs.loading import open_database
from chatkeep.settings import Settings
from chatkeep.store import usage_reports

COLUMNS = {
    "runs": "runs", "failed": "failures", "input": "input_tokens", "cached": "cached_input_tokens",
    "output": "output_tokens", "reasoning": "reasoning_tokens",
}  # fmt: skip
"""The columns with numbers, and the sums that they show. The cached input is part of the input, and so on."""
_BILLION = 10**9


async def print_usage(settings: Settings, days: int) -> None:
    """Print a line for each day and model, oldest first, and the sums. Days are those of UTC."""
    first_day = (datetime.now(UTC) - timedelta(days=days - 1)).strftime("%Y-%m-%d")
    db = await open_database(settings)
    try:
        sums = await db.snapshot(lambda tx: usage_reports.sum_by_day_and_model(tx, first_day))
    finally:
        await db.close()
    print(_line("day", "model", list(COLUMNS), f"cost {settings.currency}"))
    total: Counter[str] = Counter()
    for day, each in sums:
        numbers = Counter({name: value for name, value in structs.asdict(each).items() if name != "key"})
        print(_row(day, each.key, numbers))
        total.update(numbers)
    print(_row("sum", "", total))
    if total["unpriced_calls"]:
        print("* without calls whose price is not known")


def _row(day: str, model: str, numbers: Counter[str]) -> str:
    cost = f"{numbers['cost'] / _BILLION:,.4f}{'*' if numbers['unpriced_calls'] else ' '}"
    return _line(day, model, [f"{numbers[name]:,}" for name in COLUMNS.values()], cost)


def _line(day: str, model: str, numbers: list[str], cost: str) -> str:
    return f"{day:<11}{model:<28}" + "".join([f"{number:>14}" for number in numbers]) + f"{cost:>14}"
