"""The table `usage_by_day`: tokens and cost by owner, day (UTC), model and assistant. It outlives sessions.

1. A run is added in the transaction that ends it, so once, and by any process. Its day is that of its end.
2. Each call of a model counts for that model, which may be another than the run's; the run counts for its own.
3. A call that writes a title comes after its run, and is added with its own row.
4. The rows of users who are gone belong to `DELETED`: the sums of a day stay what was spent.
"""

from collections.abc import Iterable
from typing import NamedTuple

from chatkeep.chat.model_call import MAX_COST, ModelCall
from chatkeep.chat.types import Run
from chatkeep.db import Param, Transaction

DELETED = "deleted"
"""The owner of the usage of users who are gone. No user has this id."""
DAY_CHARS = 10
"""How much of a time is its day: `2026-11-30`."""

COLUMNS = """owner, day, model, assistant, runs, failures, input_tokens, cached_input_tokens, output_tokens,
    reasoning_tokens, cost, unpriced_calls"""
_ADD = """ON CONFLICT (owner, day, model, assistant) DO UPDATE
       SET runs = usage_by_day.runs + excluded.runs, failures = usage_by_day.failures + excluded.failures,
           input_tokens = usage_by_day.input_tokens + excluded.input_tokens,
           cached_input_tokens = usage_by_day.cached_input_tokens + excluded.cached_input_tokens,
           output_tokens = usage_by_day.output_tokens + excluded.output_tokens,
           reasoning_tokens = usage_by_day.reasoning_tokens + excluded.reasoning_tokens,
           cost = usage_by_day.cost + excluded.cost,
           unpriced_calls = usage_by_day.unpriced_calls + excluded.unpriced_calls
     WHERE usage_by_day.cost < 9007199254740992 AND usage_by_day.input_tokens < 9007199254740992
       AND usage_by_day.output_tokens < 9007199254740992"""
"""Adds to the row that is there. One with absurd figures (`MAX_COST`), as a provider may send them, stays as it is."""


class Payer(NamedTuple):
    """Whose usage it is, and of which assistant."""

    owner: str
    assistant: str


async def add_usage(tx: Transaction, payer: Payer, calls: Iterable[ModelCall], run: Run | None = None) -> None:
    """Add calls of models that have ended; and `run`, if it is given, as one that has ended with these calls."""
    sums: dict[str, list[int]] = {run.model: [1, int(run.status == "failed"), 0, 0, 0, 0, 0, 0]} if run else {}
    for call in calls:
        added = sums.setdefault(call.model, [0] * 8)
        figures = (call.input_tokens, call.cached_input_tokens, call.output_tokens, call.reasoning_tokens)
        for place, figure in enumerate((*figures, call.cost or 0, int(call.cost is None)), 2):
            added[place] = min(added[place] + figure, MAX_COST)
    day = (await tx.now())[:DAY_CHARS]
    rows: list[tuple[Param, ...]] = [(payer.owner, day, model, payer.assistant, *sums[model]) for model in sorted(sums)]
    await tx.many(
        f"""INSERT INTO usage_by_day ({COLUMNS})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) {_ADD}""",
        rows,
    )


async def move_usage(tx: Transaction, from_owner: str, to_owner: str) -> int:
    """Add the usage of one owner to that of another; return how many rows it was."""
    await tx.run(
        f"""INSERT INTO usage_by_day ({COLUMNS})
            SELECT $2, day, model, assistant, runs, failures, input_tokens, cached_input_tokens, output_tokens,
                   reasoning_tokens, cost, unpriced_calls
              FROM usage_by_day WHERE owner = $1 {_ADD}""",
        from_owner,
        to_owner,
    )
    return len(await tx.all("DELETE FROM usage_by_day WHERE owner = $1 RETURNING day", from_owner))
