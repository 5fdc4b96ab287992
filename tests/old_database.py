"""Rows of a database before migration 0006, in plain SQL: the store knows only the newest schema."""

import json
from typing import NamedTuple

from chatkeep.chat.events import StepStarted, to_entry
from chatkeep.db import Database, Row, Transaction
from chatkeep.db.migrate import load_migrations, migrate
from tests.values import TIME, uid

LAST_RELEASED = 4
"""The last migration of the release 0.1.0."""
LAST_OLD = 5
"""The last migration before the session keys."""


class OldSession(NamedTuple):
    """The ids in one of the sessions: its messages by seq, and its runs by number."""

    id: str
    message_ids: list[str]
    run_ids: list[str]


def old_session(name: str, turns: int) -> OldSession:
    """Return the ids of a session of so many turns: two messages and a run each."""
    messages = [uid(f"{name} message {seq}") for seq in range(2 * turns)]
    return OldSession(uid(name), messages, [uid(f"{name} run {number}") for number in range(1, turns + 1)])


async def migrate_to(db: Database, version: int) -> None:
    """Bring an empty database to the schema of an earlier version."""
    await migrate(db, [each for each in load_migrations(db.engine) if each.version <= version])


async def add_session(
    tx: Transaction, session: OldSession, text: str = "Why?", title: str = "Of old", log_length: int = 3
) -> None:
    """Add a session, its messages (a branch), runs, logs, and a prompt of its own. The schema is that of 0003 to 0005.

    Each run's log has `log_length` events; its last message is the head.
    """
    await _add_session(tx, session, text, title)
    rows = await tx.all("SELECT id, log FROM runs WHERE session_id = $1", session.id)
    numbers = dict[str, int](rows)
    await tx.many(
        "INSERT INTO run_events (log, position, event) VALUES ($1, $2, $3)",
        [(numbers[run_id], *event) for run_id in session.run_ids for event in log(log_length)],
    )


async def add_session_of_0001(tx: Transaction, session: OldSession, log_length: int = 3) -> None:
    """As `add_session`, in the schema of 0001."""
    await _add_session(tx, session, "Why?", "Of old")
    await tx.many(
        "INSERT INTO run_events (run_id, position, event) VALUES ($1, $2, $3)",
        [(run_id, *event) for run_id in session.run_ids for event in log(log_length)],
    )


def log(length: int) -> list[tuple[int, str]]:
    """Return the positions and events of a log."""
    return [(n, to_entry(StepStarted(position=n, index=n)).json.decode()) for n in range(1, length + 1)]


async def _add_session(tx: Transaction, session: OldSession, text: str, title: str) -> None:
    parts = json.dumps([{"type": "text", "text": text}])
    messages, runs = session.message_ids, session.run_ids
    await tx.run(
        """INSERT INTO sessions (id, owner, title, assistant, metadata, next_message, next_run, created_at, updated_at)
           VALUES ($1, 'local', $2, 'default', '{"a":  "b"}', $3, $4, $5, $5)""",
        *(session.id, title, len(messages) + 1, len(runs) + 1, TIME),
    )
    await tx.many(
        """INSERT INTO messages (id, session_id, seq, parent_id, role, parts, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        [
            (id_, session.id, seq, messages[seq - 2] if seq > 1 else None, ("assistant", "user")[seq % 2], parts, TIME)
            for seq, id_ in enumerate(messages, 1)
        ],
    )
    await tx.many(
        """INSERT INTO runs (id, session_id, number, user_message_id, message_id, status, attempt, position,
                             idempotency_key, request_hash, request, model, input_tokens, output_tokens,
                             usage_estimated, input_bytes, log_kept, created_at, started_at, finished_at)
           VALUES ($1, $2, $3, $4, $5, 'completed', 2, 3, $7, 'h', '{"a":1}', 'm', 1, 2, TRUE, 0, TRUE, $6, $6, $6)""",
        [
            (run_id, session.id, number, messages[2 * number - 2], messages[2 * number - 1], TIME, run_id)
            for number, run_id in enumerate(runs, 1)
        ],
    )
    if messages:
        await tx.run("UPDATE sessions SET head_id = $2 WHERE id = $1", session.id, messages[-1])


async def add_the_rest(tx: Transaction, session: OldSession) -> None:
    """Add a prompt of the session, a model call of each run, and a fact of its owner. The schema is that of 0005."""
    await tx.run(
        "INSERT INTO session_prompts (session_id, hash, prompt, functions) VALUES ($1, 'h', 'p', '[]')", session.id
    )
    await tx.run(
        """INSERT INTO model_calls (log, number, step, model, provider, input_tokens, cached_input_tokens,
                                    output_tokens, reasoning_tokens, estimated, duration_ms, outcome)
           SELECT log, 1, 1, 'm', 'p', 7, 1, 3, 2, TRUE, 9, 'completed' FROM runs WHERE session_id = $1""",
        session.id,
    )
    await tx.run("INSERT INTO facts (id, owner, text, created_at) VALUES ($1, 'local', $2, $3)", session.id, "f", TIME)


async def read_rows(tx: Transaction) -> dict[str, list[Row]]:
    """Return what the two schemas have in common of each table."""
    is_old = "session_id" in await tx.list_columns("messages")
    of_message = "s.id = m.session_id" if is_old else "s.session_key = m.session_key"
    of_run = "s.id = r.session_id" if is_old else "s.session_key = r.session_key"
    of_event = "e.log = r.log" if is_old else "e.session_key = r.session_key AND e.run_number = r.number"
    of_prompt = "s.id = p.session_id" if is_old else "s.session_key = p.session_key"
    queries = {
        "sessions": "SELECT id, owner, title, metadata, head_id, next_message, next_run, updated_at FROM sessions",
        "messages": f"""SELECT s.id, m.id, m.seq, m.parent_id, m.role, m.parts, m.created_at
                          FROM messages m JOIN sessions s ON {of_message}""",
        "runs": f"""SELECT s.id, r.id, r.number, r.user_message_id, r.message_id, r.status, r.attempt, r.position,
                           r.idempotency_key, r.request_hash, r.request, r.input_tokens, r.output_tokens, r.finished_at
                      FROM runs r JOIN sessions s ON {of_run}""",
        "events": f"""SELECT r.id, e.position, e.event FROM run_events e JOIN runs r ON {of_event}""",
        "model calls": f"""SELECT r.id, c.number, c.step, c.input_tokens, c.cached_input_tokens, c.output_tokens,
                                  c.reasoning_tokens, c.estimated, c.cost, c.duration_ms, c.outcome
                             FROM model_calls c JOIN runs r ON {of_event.replace("e.", "c.")}""",
        "prompts": f"SELECT s.id, p.hash, p.prompt, p.functions FROM session_prompts p JOIN sessions s ON {of_prompt}",
        "facts": "SELECT id, owner, text, created_at FROM facts",
    }
    return {name: sorted(await tx.all(sql), key=str) for name, sql in queries.items()}  # type: ignore[arg-type]  # ours
