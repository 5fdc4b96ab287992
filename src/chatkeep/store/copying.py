"""Every table, row by row, for a copy of the whole database: pages in the order of a key, and how a row is added.

A row that is there already is left alone, so that a copy that was cut off can go on. Times, ids and JSON are text on
both engines (`db/postgres.py`); truth values are made bool, as SQLite has none.
"""

from collections.abc import Sequence
from typing import LiteralString, NamedTuple

from chatkeep.db import Param, Row, Transaction

PAGE = 500
"""Rows that are copied at once."""

_FIRST = "00000000-0000-0000-0000-000000000000"

SESSION = """id, owner, title, assistant, model, metadata, next_message, next_run, created_at, updated_at"""
MESSAGE = "session_id, seq, id, parent_id, role, parts, created_at"
RUN = """id, session_id, number, user_message_id, message_id, status, attempt, position, idempotency_key, request_hash,
    request, model, finish_reason, error, input_tokens, output_tokens, input_bytes, deadline,
    created_at, started_at, first_token_at, finished_at, usage_estimated, log_kept"""
PROMPT = "hash, prompt, functions"
OWN = f"session_id, {PROMPT}"
FACT = "id, owner, text, created_at"
HEAD = "id, head_id"


class Table(NamedTuple):
    """`page`: what comes after a key, `first` at the start; `truths`: how many columns, from the right, are bool."""

    name: str
    page: LiteralString
    add: LiteralString
    first: tuple[Param, ...]
    truths: int = 0

    @property
    def key(self) -> int:
        """How many of a row's columns, from the left, are the key."""
        return len(self.first)


TABLES = (
    Table(
        "sessions",
        f"SELECT {SESSION} FROM sessions WHERE id > $1 ORDER BY id LIMIT $2",
        f"INSERT INTO sessions ({SESSION}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        (_FIRST,),
    ),
    Table(
        "messages",
        f"SELECT {MESSAGE} FROM messages WHERE (session_id, seq) > ($1, $2) ORDER BY session_id, seq LIMIT $3",
        f"INSERT INTO messages ({MESSAGE}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        (_FIRST, 0),
    ),
    Table(
        "heads of sessions",
        f"SELECT {HEAD} FROM sessions WHERE id > $1 ORDER BY id LIMIT $2",
        "UPDATE sessions SET head_id = $2 WHERE id = $1",
        (_FIRST,),
    ),
    Table(
        "runs",
        f"SELECT {RUN} FROM runs WHERE id > $1 ORDER BY id LIMIT $2",
        f"""INSERT INTO runs ({RUN})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                    $23, $24)
            ON CONFLICT DO NOTHING""",
        (_FIRST,),
        truths=2,
    ),
    Table(
        "events",
        """SELECT r.id, e.position, e.event
             FROM runs r
             JOIN run_events e ON e.log = r.log
            WHERE r.id >= $1 AND e.position > CASE WHEN r.id = $1 THEN CAST($2 AS BIGINT) ELSE 0 END
            ORDER BY r.id, e.position LIMIT $3""",
        """INSERT INTO run_events (log, position, event) VALUES ((SELECT log FROM runs WHERE id = $1), $2, $3)
           ON CONFLICT DO NOTHING""",
        (_FIRST, 0),
    ),
    Table(
        "prompts",
        f"SELECT {PROMPT} FROM prompts WHERE hash > $1 ORDER BY hash LIMIT $2",
        f"INSERT INTO prompts ({PROMPT}) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        ("",),
    ),
    Table(
        "prompts of sessions",
        f"SELECT {OWN} FROM session_prompts WHERE (session_id, hash) > ($1, $2) ORDER BY session_id, hash LIMIT $3",
        f"INSERT INTO session_prompts ({OWN}) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        (_FIRST, ""),
    ),
    Table(
        "facts",
        f"SELECT {FACT} FROM facts WHERE id > $1 ORDER BY id LIMIT $2",
        f"INSERT INTO facts ({FACT}) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        (_FIRST,),
    ),
)
"""In the order in which they can be filled: what is referred to comes first."""


async def list_page(tx: Transaction, table: Table, after: Sequence[Param]) -> list[Row]:
    """The next rows of the table."""
    rows = await tx.all(table.page, *after, PAGE)
    if not table.truths:
        return rows
    return [(*row[: -table.truths], *map(bool, row[-table.truths :])) for row in rows]


async def add_page(tx: Transaction, table: Table, rows: Sequence[Row]) -> None:
    """Add rows to the table."""
    await tx.many(table.add, rows)


async def is_empty(tx: Transaction) -> bool:
    """Whether there is nothing to lose in this database."""
    found = await tx.all("SELECT id FROM sessions UNION ALL SELECT id FROM facts LIMIT 1")
    return not found
