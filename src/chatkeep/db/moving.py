"""Moves the rows of migration 0006's old tables into its new ones, page by page, each page in a transaction.

A page is small, so that no statement runs long and no transaction gets large. `moved_rows` says how far each step has
come, in the same transaction: a move that was cut off goes on from there. Migration 0007 is applied when all steps are
done. Several processes may move side by side: each page is moved under the lock of the schema.

The key of a session is a hash that SQL has not (`chatkeep/ids.py`). So the first step computes it for each session; all
others are SQL alone.
"""

import json
from math import ceil
from typing import Any, LiteralString, NamedTuple

from chatkeep import ids
from chatkeep.db import Database, Param, Transaction, can_be_repeated
from chatkeep.watch.progress import OnProgress, ignore_progress

PAGE_ROWS = 2_000
"""The most rows that one transaction moves. The pages below have it as their limit."""


class Step(NamedTuple):
    """The move of one old table.

    `count_rest` returns the number of rows after the key `first_key`. `find_last` returns the key of the last row of
    the page after it, of `PAGE_ROWS` rows at most. `moves` are run with the two keys: the page's rows are those after
    the first one, up to the second one.
    """

    name: str
    first_key: tuple[Param, ...]
    count_rest: LiteralString
    find_last: LiteralString
    moves: tuple[LiteralString, ...]


_SESSION_PAGE = "SELECT id FROM old_sessions WHERE id > $1 ORDER BY id LIMIT $2"
# The rows of a page. The limit changes nothing, but by it PostgreSQL knows that they are few: it estimates a ninth of
# the table, and would read all of it for each page.
_MESSAGES = """SELECT * FROM old_messages WHERE (session_id, seq) > ($1, $2) AND (session_id, seq) <= ($3, $4)
                ORDER BY session_id, seq LIMIT 2000"""
_RUNS = """SELECT * FROM old_runs WHERE (session_id, number) > ($1, $2) AND (session_id, number) <= ($3, $4)
            ORDER BY session_id, number LIMIT 2000"""
_EVENTS = """SELECT * FROM old_run_events WHERE (log, position) > ($1, $2) AND (log, position) <= ($3, $4)
              ORDER BY log, position LIMIT 2000"""
_CALLS = """SELECT * FROM old_model_calls WHERE (log, number) > ($1, $2) AND (log, number) <= ($3, $4)
             ORDER BY log, number LIMIT 2000"""
_PROMPTS = """SELECT * FROM old_session_prompts WHERE (session_id, hash) > ($1, $2) AND (session_id, hash) <= ($3, $4)
               ORDER BY session_id, hash LIMIT 2000"""

STEPS = (
    Step(
        "sessions",
        (ids.SMALLEST,),
        "SELECT COUNT(*) FROM old_sessions WHERE id > $1",
        f"SELECT id FROM ({_SESSION_PAGE}) AS page ORDER BY id DESC LIMIT 1",
        (
            """INSERT INTO sessions (session_key, id, owner, title, assistant, model, metadata, next_message, next_run,
                                     created_at, updated_at)
               SELECT session_key, id, owner, title, assistant, model, metadata, next_message, next_run,
                      created_at, updated_at
                 FROM old_sessions WHERE id > $1 AND id <= $2""",
        ),
    ),
    Step(
        "messages",
        (ids.SMALLEST, 0),
        "SELECT COUNT(*) FROM old_messages WHERE (session_id, seq) > ($1, $2)",
        """SELECT session_id, seq
             FROM (SELECT session_id, seq FROM old_messages WHERE (session_id, seq) > ($1, $2)
                    ORDER BY session_id, seq LIMIT $3) AS page
            ORDER BY session_id DESC, seq DESC LIMIT 1""",
        (
            f"""INSERT INTO messages (session_key, id, seq, parent_id, role, parts, created_at)
               SELECT s.session_key, m.id, m.seq, m.parent_id, m.role, m.parts, m.created_at
                 FROM ({_MESSAGES}) AS m JOIN old_sessions s ON s.id = m.session_id
                ORDER BY m.session_id, m.seq""",
            f"""INSERT INTO former_ids (id, session_key)
               SELECT m.id, s.session_key
                 FROM ({_MESSAGES}) AS m JOIN old_sessions s ON s.id = m.session_id
                ORDER BY m.id""",
        ),
    ),
    Step(
        "heads of sessions",
        (ids.SMALLEST,),
        "SELECT COUNT(*) FROM old_sessions WHERE id > $1",
        f"SELECT id FROM ({_SESSION_PAGE}) AS page ORDER BY id DESC LIMIT 1",
        (
            """UPDATE sessions SET head_id = s.head_id
                 FROM old_sessions s
                WHERE s.id > $1 AND s.id <= $2 AND s.session_key = sessions.session_key""",
        ),
    ),
    Step(
        "runs",
        (ids.SMALLEST, 0),
        "SELECT COUNT(*) FROM old_runs WHERE (session_id, number) > ($1, $2)",
        """SELECT session_id, number
             FROM (SELECT session_id, number FROM old_runs WHERE (session_id, number) > ($1, $2)
                    ORDER BY session_id, number LIMIT $3) AS page
            ORDER BY session_id DESC, number DESC LIMIT 1""",
        (
            f"""INSERT INTO runs (session_key, number, id, user_message_id, message_id, status, attempt, position,
                                 idempotency_key, request_hash, request, model, finish_reason, error, input_tokens,
                                 output_tokens, cached_input_tokens, reasoning_tokens, cost, open_call,
                                 usage_estimated, input_bytes, log_kept, worker, lease_until, deadline,
                                 created_at, started_at, first_token_at, finished_at)
               SELECT s.session_key, r.number, r.id, r.user_message_id, r.message_id, r.status, r.attempt, r.position,
                      r.idempotency_key, r.request_hash, r.request, r.model, r.finish_reason, r.error, r.input_tokens,
                      r.output_tokens, r.cached_input_tokens, r.reasoning_tokens, r.cost, r.open_call,
                      r.usage_estimated, r.input_bytes, r.log_kept, r.worker, r.lease_until,
                      r.deadline, r.created_at, r.started_at, r.first_token_at, r.finished_at
                 FROM ({_RUNS}) AS r JOIN old_sessions s ON s.id = r.session_id
                ORDER BY r.session_id, r.number""",
            f"""INSERT INTO former_ids (id, session_key)
               SELECT r.id, s.session_key
                 FROM ({_RUNS}) AS r JOIN old_sessions s ON s.id = r.session_id
                ORDER BY r.id""",
        ),
    ),
    Step(
        "events",
        (0, 0),
        "SELECT COUNT(*) FROM old_run_events WHERE (log, position) > ($1, $2)",
        """SELECT log, position
             FROM (SELECT log, position FROM old_run_events WHERE (log, position) > ($1, $2)
                    ORDER BY log, position LIMIT $3) AS page
            ORDER BY log DESC, position DESC LIMIT 1""",
        (
            f"""INSERT INTO run_events (session_key, run_number, position, event)
               SELECT s.session_key, r.number, e.position, e.event
                 FROM ({_EVENTS}) AS e
                 JOIN old_runs r ON r.log = e.log JOIN old_sessions s ON s.id = r.session_id
                ORDER BY e.log, e.position""",
        ),
    ),
    Step(
        "model calls",
        (0, 0),
        "SELECT COUNT(*) FROM old_model_calls WHERE (log, number) > ($1, $2)",
        """SELECT log, number
             FROM (SELECT log, number FROM old_model_calls WHERE (log, number) > ($1, $2)
                    ORDER BY log, number LIMIT $3) AS page
            ORDER BY log DESC, number DESC LIMIT 1""",
        (
            f"""INSERT INTO model_calls (session_key, run_number, number, step, model, provider, input_tokens,
                                        cached_input_tokens, output_tokens, reasoning_tokens, estimated, cost,
                                        first_token_ms, duration_ms, outcome)
               SELECT s.session_key, r.number, c.number, c.step, c.model, c.provider, c.input_tokens,
                      c.cached_input_tokens, c.output_tokens, c.reasoning_tokens, c.estimated, c.cost,
                      c.first_token_ms, c.duration_ms, c.outcome
                 FROM ({_CALLS}) AS c
                 JOIN old_runs r ON r.log = c.log JOIN old_sessions s ON s.id = r.session_id
                ORDER BY c.log, c.number""",
        ),
    ),
    Step(
        "prompts of sessions",
        (ids.SMALLEST, ""),
        "SELECT COUNT(*) FROM old_session_prompts WHERE (session_id, hash) > ($1, $2)",
        """SELECT session_id, hash
             FROM (SELECT session_id, hash FROM old_session_prompts WHERE (session_id, hash) > ($1, $2)
                    ORDER BY session_id, hash LIMIT $3) AS page
            ORDER BY session_id DESC, hash DESC LIMIT 1""",
        (
            f"""INSERT INTO session_prompts (session_key, hash, prompt, functions)
               SELECT s.session_key, p.hash, p.prompt, p.functions
                 FROM ({_PROMPTS}) AS p JOIN old_sessions s ON s.id = p.session_id""",
        ),
    ),
    Step(
        "facts",
        (ids.SMALLEST,),
        "SELECT COUNT(*) FROM old_facts WHERE id > $1",
        """SELECT id FROM (SELECT id FROM old_facts WHERE id > $1 ORDER BY id LIMIT $2) AS page
            ORDER BY id DESC LIMIT 1""",
        (
            """INSERT INTO facts (owner, id, text, created_at)
               SELECT owner, id, text, created_at FROM old_facts WHERE id > $1 AND id <= $2""",
        ),
    ),
)
"""All steps, each after those whose rows its own refer to."""


async def are_rows_moved(tx: Transaction) -> bool:
    """Return True if migration 0007 may be applied: all rows are moved, or there were none."""
    if await tx.one("SELECT 1 FROM old_sessions UNION ALL SELECT 1 FROM old_facts LIMIT 1") is None:
        return True
    rows = await tx.all("SELECT step FROM moved_rows WHERE last_key IS NULL")
    return {step for (step,) in rows} == {step.name for step in STEPS}


async def move_rows(db: Database, page_rows: int = PAGE_ROWS, on_progress: OnProgress = ignore_progress) -> None:
    """Move the rows that are not moved yet. Another process may do so, too, and may end it. Progress is in pages.

    Raises:
        StorageFailed, ValueRefused: the database cannot be used, or takes a row no longer. What was moved stays moved.
    """
    done, total = 0, await db.snapshot(lambda tx: _count_pages(tx, page_rows))
    for step in STEPS:
        while await db.transaction(lambda tx, step=step: _move_page(tx, step, page_rows)):
            done += 1
            on_progress(done, total)


async def _count_pages(tx: Transaction, page_rows: int) -> int:
    """Return the number of pages that are left; 0 if another process has ended the move."""
    pages = 0
    for step in STEPS if await tx.list_columns("moved_rows") else ():
        first = await _find_first(tx, step)
        row = await tx.one(step.count_rest, *first) if first is not None else None
        pages += ceil(row[0] / page_rows) if row is not None else 0
    return pages


async def _find_first(tx: Transaction, step: Step) -> list[Any] | None:
    """Return the key of the last row that a step has moved; None if it has moved all."""
    row = await tx.one("SELECT last_key FROM moved_rows WHERE step = $1", step.name)
    if row is None:
        return list(step.first_key)
    return json.loads(row[0]) if row[0] is not None else None


async def _move_page(tx: Transaction, step: Step, page_rows: int) -> bool:
    """Move the next page of a step. Return False if there was none left."""
    await tx.lock_schema()
    if not await tx.list_columns("moved_rows"):  # another process has ended the move
        return False
    first = await _find_first(tx, step)
    if first is None:
        return False
    if step is STEPS[0]:
        page = await tx.all(_SESSION_PAGE, *first, page_rows)
        keys = [(session_id, ids.session_key(session_id)) for (session_id,) in page]
        await tx.many("UPDATE old_sessions SET session_key = $2 WHERE id = $1", keys)
    last = await tx.one(step.find_last, *first, page_rows)
    if last is not None:
        for sql in step.moves:
            await tx.run(sql, *first, *last)
    await tx.run(
        """INSERT INTO moved_rows (step, last_key) VALUES ($1, $2)
           ON CONFLICT (step) DO UPDATE SET last_key = excluded.last_key""",
        step.name,
        json.dumps(last) if last is not None else None,
    )
    tx.prove(can_be_repeated)  # the row above says how far this one has come
    return last is not None
