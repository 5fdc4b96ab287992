"""The table `model_calls`: a row for each request to a model, keyed by its run.

1. A row is written once, when the call has ended: in the flush of what its step brought, or with the end of the run.
2. Until then the call stands in `runs.open_call`, as JSON, and every flush brings it up to date. So the end of a run
   whose worker is gone still knows what the call had used at the last flush.
3. A flush may be repeated whose COMMIT did succeed: a row that is there already stays.
"""

from collections.abc import Iterable

import msgspec

from chatkeep import ids
from chatkeep.chat.model_call import CallOutcome, ModelCall
from chatkeep.chat.types import RunKey
from chatkeep.db import Param, Transaction

COLUMNS = """session_key, run_number, number, step, model, provider, input_tokens, cached_input_tokens, output_tokens,
    reasoning_tokens, cost, first_token_ms, duration_ms, outcome, estimated"""
"""The columns of a call."""

call_to_json = msgspec.json.Encoder().encode
"""Return the value of the column `runs.open_call`, as bytes."""
_call = msgspec.json.Decoder(ModelCall).decode


async def add_calls(tx: Transaction, calls: Iterable[tuple[RunKey, Iterable[ModelCall]]]) -> None:
    """Add rows: the calls that have ended of several runs."""
    await tx.many(
        f"""INSERT INTO model_calls ({COLUMNS})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING""",
        [_to_row(run, call) for run, ended in calls for call in ended],
    )


async def close_call(tx: Transaction, run: RunKey, open_call: str, outcome: CallOutcome) -> None:
    """Add the row of a run's open call, which ends with the run; `open_call` is what `runs.open_call` has."""
    await add_calls(tx, [(run, [msgspec.structs.replace(_call(open_call), outcome=outcome)])])
    await tx.run(
        "UPDATE runs SET open_call = NULL WHERE session_key = $1 AND number = $2",
        ids.session_key(run.session_id),
        run.number,
    )


async def list_calls(tx: Transaction, run: RunKey) -> list[ModelCall]:
    """Return the calls of the run that have ended, in their order."""
    rows = await tx.all(
        """SELECT number, step, model, provider, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
                  estimated, cost, first_token_ms, duration_ms, outcome
             FROM model_calls WHERE session_key = $1 AND run_number = $2 ORDER BY number""",
        ids.session_key(run.session_id),
        run.number,
    )
    return [ModelCall(*row) for row in rows]


async def count_calls(tx: Transaction, run: RunKey) -> int:
    """Return how many calls of the run have ended."""
    row = await tx.one(
        "SELECT COUNT(*) FROM model_calls WHERE session_key = $1 AND run_number = $2",
        ids.session_key(run.session_id),
        run.number,
    )
    return row[0] if row else 0


def _to_row(run: RunKey, call: ModelCall) -> tuple[Param, ...]:
    return (
        ids.session_key(run.session_id),
        run.number,
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
