"""The table `runs`: a row for each run; its column `request` is JSON, the record of the run's turn spec.

The lease and the fence are in `leases.py`, the deadline in `waiting.py`, the column `log_kept` in `kept_logs.py`.
"""

from typing import Any, NamedTuple

import msgspec

from chatkeep import ids
from chatkeep.chat.types import Problem, Run, RunEnd, RunKey, Usage
from chatkeep.db import Row, Transaction
from chatkeep.errors import NotFound
from chatkeep.store.former_ids import find_session_key
from chatkeep.store.leases import Lease
from chatkeep.store.usage import Payer

_problem = msgspec.json.Decoder(Problem).decode
request_from_json = msgspec.json.Decoder(dict[str, Any]).decode
"""Return the value of the column `request`."""
_encode = msgspec.json.encode

COLUMNS = """id, number, user_message_id, message_id, status, model, finish_reason, error,
    input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, cost, usage_estimated, attempt, position,
    created_at, started_at, first_token_at, finished_at"""
"""The columns that `run_from_row` reads."""


class StoppedRun(NamedTuple):
    """A run that was just ended, whose usage it is, and the call of a model that its end has cut, or None.

    `has_hold`: it has taken of its owner's limits (`store/holds.py`). `is_temporary`: its session is.
    """

    run: Run
    open_call: str | None
    payer: Payer
    has_hold: bool
    is_temporary: bool


class RequestKey(NamedTuple):
    """A request's idempotency key, and the hash that two equal requests share."""

    name: str
    request_hash: str


class KeyedRun(NamedTuple):
    """The run that an idempotency key has made, and the hash of its request."""

    run: Run
    request_hash: str


async def add_run(tx: Transaction, run: Run, request: dict[str, Any], key: RequestKey | None, lease: Lease) -> None:
    """Add the row of a new run. The unique index `runs_open` refuses a second open run of the session."""
    await tx.run(
        """INSERT INTO runs
                  (id, session_key, number, user_message_id, message_id, status, attempt, position, idempotency_key,
                   request_hash, request, model, input_tokens, output_tokens, usage_estimated, input_bytes, log_kept,
                   created_at, started_at, worker, lease_until)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, TRUE, 0, TRUE, $13, $14, $15, $16)""",
        run.id,
        ids.session_key(run.session_id),
        run.number,
        run.user_message_id,
        run.message_id,
        run.status,
        run.attempt,
        run.position,
        key.name if key else None,
        key.request_hash if key else None,
        _encode(request).decode(),
        run.model,
        run.created_at,
        run.started_at,
        lease.worker,
        lease.until,
    )


async def get_run(tx: Transaction, owner: str, run_id: str) -> Run:
    """Return the owner's run.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    row = await tx.one(
        f"""SELECT {COLUMNS}, (SELECT s.id FROM sessions s WHERE s.session_key = $1 AND s.owner = $3)
              FROM runs
             WHERE session_key = $1 AND id = $2""",
        await find_session_key(tx, run_id),
        run_id,
        owner,
    )
    if row is None or row[-1] is None:
        raise NotFound(f"no run {run_id}")
    return run_from_row(row[-1], row)


async def find_run(tx: Transaction, run: RunKey) -> Run | None:
    """Return the run, for use within the service: of any owner. None if there is none."""
    row = await tx.one(
        f"SELECT {COLUMNS} FROM runs WHERE session_key = $1 AND number = $2",
        ids.session_key(run.session_id),
        run.number,
    )
    return run_from_row(run.session_id, row) if row else None


async def find_in_session(tx: Transaction, session_id: str, run_id: str) -> Run | None:
    """Return the run; None if the session has none with that id."""
    row = await tx.one(
        f"SELECT {COLUMNS} FROM runs WHERE session_key = $1 AND id = $2", ids.session_key(session_id), run_id
    )
    return run_from_row(session_id, row) if row else None


async def find_open(tx: Transaction, session_id: str) -> Run | None:
    """Return the session's open run; None if it has none."""
    row = await tx.one(
        f"""SELECT {COLUMNS} FROM runs
             WHERE session_key = $1 AND status IN ('in_progress', 'requires_action')""",
        ids.session_key(session_id),
    )
    return run_from_row(session_id, row) if row else None


async def find_last(tx: Transaction, session_id: str) -> Run | None:
    """Return the session's newest run, open or ended; None if it has none."""
    row = await tx.one(
        f"SELECT {COLUMNS} FROM runs WHERE session_key = $1 ORDER BY number DESC LIMIT 1", ids.session_key(session_id)
    )
    return run_from_row(session_id, row) if row else None


async def list_from(tx: Transaction, session_id: str, number: int, limit: int) -> list[Run]:
    """Return the session's runs from the run `number` on, oldest first: at most `limit`."""
    rows = await tx.all(
        f"SELECT {COLUMNS} FROM runs WHERE session_key = $1 AND number >= $2 ORDER BY number LIMIT $3",
        ids.session_key(session_id),
        number,
        limit,
    )
    return [run_from_row(session_id, row) for row in rows]


async def find_by_key(tx: Transaction, session_id: str, key: str) -> KeyedRun | None:
    """Return the run that the idempotency key has made in this session; None if it has made none."""
    row = await tx.one(
        f"SELECT {COLUMNS}, request_hash FROM runs WHERE session_key = $1 AND idempotency_key = $2",
        ids.session_key(session_id),
        key,
    )
    return KeyedRun(run_from_row(session_id, row), row[-1]) if row else None


async def get_request(tx: Transaction, run: RunKey) -> dict[str, Any]:
    """Return the record of the run's turn spec.

    Raises:
        NotFound: there is no such run.
    """
    row = await tx.one(
        "SELECT request FROM runs WHERE session_key = $1 AND number = $2", ids.session_key(run.session_id), run.number
    )
    if row is None:
        raise NotFound(f"no run {run.number} in session {run.session_id}")
    return request_from_json(row[0])


async def find_last_request(tx: Transaction, session_id: str, user_message_id: str) -> dict[str, Any] | None:
    """Return the record of the turn spec with which the user message was answered last; None if it never was."""
    row = await tx.one(
        "SELECT request FROM runs WHERE session_key = $1 AND user_message_id = $2 ORDER BY number DESC LIMIT 1",
        ids.session_key(session_id),
        user_message_id,
    )
    return request_from_json(row[0]) if row else None


async def get_input_bytes(tx: Transaction, run: RunKey) -> int:
    """Return the bytes of the prompts that the run's `input_tokens` count."""
    row = await tx.one(
        "SELECT input_bytes FROM runs WHERE session_key = $1 AND number = $2",
        ids.session_key(run.session_id),
        run.number,
    )
    return row[0] if row else 0


async def end_run(tx: Transaction, run: RunKey, status: RunEnd, error: Problem | None) -> StoppedRun | None:
    """Give an open run the status `status`, raise its fence and end its lease. Return the run.

    Its position is moved on by one event, which is all that most runs get at their end.

    None: it had ended before, or is gone.
    """
    row = await tx.one(
        f"""UPDATE runs
              SET attempt = attempt + 1, position = position + 1, status = $3, error = $4, finished_at = $5,
                  deadline = NULL, worker = NULL, lease_until = NULL
            WHERE session_key = $1 AND number = $2 AND status IN ('in_progress', 'requires_action')
        RETURNING {COLUMNS}, open_call, (SELECT owner FROM sessions WHERE session_key = $1), request ->> 'assistant',
                  request ->> 'has_hold', (SELECT temporary FROM sessions WHERE session_key = $1)""",
        ids.session_key(run.session_id),
        run.number,
        status,
        _encode(error).decode() if error else None,
        await tx.now(),
    )
    if row is None:
        return None
    open_call, owner, assistant, has_hold, is_temporary = row[-5:]
    payer = Payer(owner, assistant or "")
    return StoppedRun(run_from_row(run.session_id, row), open_call, payer, has_hold is not None, bool(is_temporary))


async def set_position(tx: Transaction, run: RunKey, position: int) -> None:
    """Store how far the run's log has come."""
    await tx.run(
        "UPDATE runs SET position = $3 WHERE session_key = $1 AND number = $2",
        ids.session_key(run.session_id),
        run.number,
        position,
    )


async def get_bytes_per_token(tx: Transaction, session_id: str) -> dict[str, float]:
    """Return the bytes of prompt per token by model, from the provider's counts for the session's last 10 runs.

    A model whose tokens the provider has not counted is not among them.
    """
    rows = await tx.all(
        """SELECT model, SUM(input_bytes), SUM(input_tokens)
             FROM (SELECT input_bytes, input_tokens, model, usage_estimated
                     FROM runs
                    WHERE session_key = $1
                    ORDER BY number DESC LIMIT 10) AS measured
            WHERE usage_estimated = FALSE AND input_tokens > 0
            GROUP BY model""",
        ids.session_key(session_id),
    )
    return {model: float(input_bytes / input_tokens) for model, input_bytes, input_tokens in rows}


def run_from_row(session_id: str, row: Row) -> Run:
    """Return the session's run in a row of `COLUMNS`."""
    return Run(
        id=row[0],
        session_id=session_id,
        number=row[1],
        user_message_id=row[2],
        message_id=row[3],
        status=row[4],
        model=row[5],
        finish_reason=row[6],
        error=_problem(row[7]) if row[7] else None,
        usage=Usage(row[8], row[9], row[10], row[11], row[12], bool(row[13])),
        attempt=row[14],
        position=row[15],
        created_at=row[16],
        started_at=row[17],
        first_token_at=row[18],
        finished_at=row[19],
    )
