"""The table `model_calls`: a row for each request to a model, named by the number of its run's log (`events.py`).

1. A row is written once, when the call has ended: in the flush of what its step brought, or with the end of the run.
2. Until then the call stands in `runs.open_call`, as JSON, and every flush brings it up to date. So the end of a run
   whose worker is gone still knows what the call had used at the last flush.
3. A flush may be repeated whose COMMIT did succeed: a row that is there already stays.
"""

from collections.abc import Iterable

import msgspec

from chatkeep.chat.model_call import CallOutcome, ModelCall
from chatkeep.db import Param, Transaction

COLUMNS = """number, step, model, provider, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost,
    first_token_ms, duration_ms, outcome, estimated"""
"""The columns of a call, beside that of its run."""

call_to_json = msgspec.json.Encoder().encode
"""Return the value of the column `runs.open_call`, as bytes."""
_call = msgspec.json.Decoder(ModelCall).decode


async def add_calls(tx: Transaction, calls: Iterable[tuple[int, Iterable[ModelCall]]]) -> None:
    """Add rows: the calls that have ended of several runs, each named by the number of its log."""
    await tx.many(
        f"""INSERT INTO model_calls (log, {COLUMNS})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING""",
        [(log, *_to_row(call)) for log, ended in calls for call in ended],
    )


async def add_calls_of(tx: Transaction, run_id: str, calls: Iterable[ModelCall]) -> None:
    """Add rows: calls of one run that have ended."""
    await tx.many(
        f"""INSERT INTO model_calls (log, {COLUMNS})
            VALUES ((SELECT log FROM runs WHERE id = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
            ON CONFLICT DO NOTHING""",
        [(run_id, *_to_row(call)) for call in calls],
    )


async def close_call(tx: Transaction, run_id: str, open_call: str, outcome: CallOutcome) -> None:
    """Add the row of a run's open call, which ends with the run; `open_call` is what `runs.open_call` has."""
    await add_calls_of(tx, run_id, [msgspec.structs.replace(_call(open_call), outcome=outcome)])
    await tx.run("UPDATE runs SET open_call = NULL WHERE id = $1", run_id)


async def count_calls(tx: Transaction, run_id: str) -> int:
    """Return how many calls of the run have ended."""
    row = await tx.one("SELECT COUNT(*) FROM model_calls WHERE log = (SELECT log FROM runs WHERE id = $1)", run_id)
    return row[0] if row else 0


def _to_row(call: ModelCall) -> tuple[Param, ...]:
    return (
        call.number,
        call.step,
        call.model,
        call.provider,
        call.input_tokens,
        call.cached_input_tokens,
        call.output_tokens,
        call.reasoning_tokens,
        call.cost,
        call.first_token_ms,
        call.duration_ms,
        call.outcome,
        call.estimated,
    )
