"""Reads and adds the rows of every table, for a copy of the whole database.

1. Rows are read in pages, in the order of a key.
2. A row that exists already is left as it is, so that a copy that was cut off can go on.
3. Rows are the same on both engines: times, ids and JSON are text (`db/postgres.py`), and truth values are made bool,
   as SQLite has no bool.
"""

from collections.abc import Sequence
from typing import LiteralString, NamedTuple

from chatkeep import ids
from chatkeep.db import Param, Row, Transaction, can_be_repeated
from chatkeep.store import model_calls, usage
from chatkeep.store.file_chunks import PAGE_CHUNKS

PAGE_SIZE = 500
"""Rows that one transaction copies."""
MAX_ROWS = 2**63 - 1
"""More rows than a table can have."""

SESSION = """session_key, id, owner, client_id, title, assistant, model, metadata, params, instructions, next_message,
    next_run, created_at, updated_at, used_at, deleted_at, temporary"""
MESSAGE = "session_key, seq, id, client_id, parent_id, role, parts, created_at, claimed"
RUN = """session_key, number, id, user_message_id, message_id, status, attempt, position, idempotency_key, request_hash,
    request, model, finish_reason, error, input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, cost,
    input_bytes, deadline, created_at, started_at, first_token_at, finished_at, usage_estimated, log_kept"""
MODEL_CALL = model_calls.COLUMNS
PROMPT = "hash, prompt, functions"
EVENT = "session_key, run_number, position, event"
SESSION_PROMPT = f"session_key, {PROMPT}"
FORMER_ID = "id, session_key"
FACT = "owner, id, text, created_at"
USER = "id, issuer, subject, name, role, disabled_at, created_at, seen_at, joined_to"
CREDENTIAL = "id, user_id, name, hash, scope, created_at, expires_at, used_at, revoked_at"
SIGN_IN = "hash, user_id, created_at, seen_at, expires_at, ended_at"
USAGE = usage.COLUMNS
LIMITS = "owner, open_runs, messages_hour, tokens_day, cost_day"
HOLD = "owner, run_id, made_at, tokens, cost, is_open"
AUDIT = "id, at, actor, action, object, detail, peer"
FILE = "owner, id, sha256, bytes, media_type, name, width, height, pages, created_at, unused_since"
CHUNK = "owner, file_id, number, content"
MESSAGE_FILE = "session_key, message_id, file_id, owner"
HEAD = "session_key, head_id"
"""The columns of the rows, as they are read and added. `search_number` is not copied: it is a database's own. Nor are
words: the target's own service finds them again (`search_backlog`). Nor are
`worker`, `lease_until` and `open_call`, which only runs in progress have."""


class Table(NamedTuple):
    """A table, or some columns of one, as the statements that read and add its rows.

    `select` reads the page after a key, which is the first columns of a row. `first_key` comes before every key.
    `bool_columns` is how many columns, from the right, are bool. A transaction copies at most `max_rows`.
    """

    name: str
    select: LiteralString
    insert: LiteralString
    first_key: tuple[Param, ...]
    bool_columns: int = 0
    max_rows: int = PAGE_SIZE

    @property
    def key_columns(self) -> int:
        """How many columns of a row, from the left, are its key."""
        return len(self.first_key)


TABLES = (
    Table(
        "sessions",
        f"SELECT {SESSION} FROM sessions WHERE session_key > $1 ORDER BY session_key LIMIT $2",
        f"""INSERT INTO sessions ({SESSION})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
            ON CONFLICT DO NOTHING""",
        (-1,),
        bool_columns=1,
    ),
    Table(
        "messages",
        f"SELECT {MESSAGE} FROM messages WHERE (session_key, seq) > ($1, $2) ORDER BY session_key, seq LIMIT $3",
        f"INSERT INTO messages ({MESSAGE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        (-1, 0),
        bool_columns=1,
    ),
    Table(
        "heads of sessions",
        f"SELECT {HEAD} FROM sessions WHERE session_key > $1 ORDER BY session_key LIMIT $2",
        "UPDATE sessions SET head_id = $2 WHERE session_key = $1",
        (-1,),
    ),
    Table(
        "runs",
        f"SELECT {RUN} FROM runs WHERE (session_key, number) > ($1, $2) ORDER BY session_key, number LIMIT $3",
        f"""INSERT INTO runs ({RUN})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                    $23, $24, $25, $26, $27)
            ON CONFLICT DO NOTHING""",
        (-1, 0),
        bool_columns=2,
    ),
    Table(
        "events",
        f"""SELECT {EVENT} FROM run_events
             WHERE (session_key, run_number, position) > ($1, $2, $3)
             ORDER BY session_key, run_number, position LIMIT $4""",
        f"INSERT INTO run_events ({EVENT}) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        (-1, 0, 0),
    ),
    Table(
        "model calls",
        f"""SELECT {MODEL_CALL} FROM model_calls
             WHERE (session_key, run_number, number) > ($1, $2, $3)
             ORDER BY session_key, run_number, number LIMIT $4""",
        f"""INSERT INTO model_calls ({MODEL_CALL})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING""",
        (-1, 0, 0),
        bool_columns=1,
    ),
    Table(
        "prompts",
        f"SELECT {PROMPT} FROM prompts WHERE hash > $1 ORDER BY hash LIMIT $2",
        f"INSERT INTO prompts ({PROMPT}) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        ("",),
    ),
    Table(
        "prompts of sessions",
        f"""SELECT {SESSION_PROMPT} FROM session_prompts
             WHERE (session_key, hash) > ($1, $2) ORDER BY session_key, hash LIMIT $3""",
        f"INSERT INTO session_prompts ({SESSION_PROMPT}) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        (-1, ""),
    ),
    Table(
        "former ids",
        f"SELECT {FORMER_ID} FROM former_ids WHERE id > $1 ORDER BY id LIMIT $2",
        f"INSERT INTO former_ids ({FORMER_ID}) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        (ids.SMALLEST,),
    ),
    Table(
        "facts",
        f"SELECT {FACT} FROM facts WHERE (owner, id) > ($1, $2) ORDER BY owner, id LIMIT $3",
        f"INSERT INTO facts ({FACT}) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        ("", ids.SMALLEST),
    ),
    Table(
        "users",
        f"SELECT {USER} FROM users WHERE id > $1 ORDER BY id LIMIT $2",
        f"""INSERT INTO users ({USER}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (id) DO UPDATE
            SET name = excluded.name, role = excluded.role, disabled_at = excluded.disabled_at,
                created_at = excluded.created_at, seen_at = excluded.seen_at""",  # `local` is there already
        ("",),
    ),
    Table(
        "tokens",
        f"SELECT {CREDENTIAL} FROM tokens WHERE id > $1 ORDER BY id LIMIT $2",
        f"INSERT INTO tokens ({CREDENTIAL}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        ("",),
    ),
    Table(
        "sign-ins",
        f"SELECT {SIGN_IN} FROM sign_ins WHERE hash > $1 ORDER BY hash LIMIT $2",
        f"INSERT INTO sign_ins ({SIGN_IN}) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        ("",),
    ),
    Table(
        "usage",
        f"""SELECT {USAGE} FROM usage_by_day WHERE (owner, day, model, assistant) > ($1, $2, $3, $4)
             ORDER BY owner, day, model, assistant LIMIT $5""",
        f"""INSERT INTO usage_by_day ({USAGE})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING""",
        ("", "", "", ""),
    ),
    Table(
        "limits",
        f"SELECT {LIMITS} FROM limits WHERE owner > $1 ORDER BY owner LIMIT $2",
        f"INSERT INTO limits ({LIMITS}) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        ("",),
    ),
    Table(
        "holds",
        f"SELECT {HOLD} FROM holds WHERE (owner, run_id) > ($1, $2) ORDER BY owner, run_id LIMIT $3",
        f"INSERT INTO holds ({HOLD}) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        ("", ids.SMALLEST),
        bool_columns=1,
    ),
    Table(
        "audit",
        f"SELECT {AUDIT} FROM audit WHERE id > $1 ORDER BY id LIMIT $2",
        f"INSERT INTO audit ({AUDIT}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        ("",),
    ),
    Table(
        "files",
        f"SELECT {FILE} FROM files WHERE (owner, id) > ($1, $2) ORDER BY owner, id LIMIT $3",
        f"""INSERT INTO files ({FILE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT DO NOTHING""",
        ("", ids.SMALLEST),
    ),
    Table(
        "bytes of files",
        f"""SELECT {CHUNK} FROM file_chunks
             WHERE (owner, file_id, number) > ($1, $2, $3) ORDER BY owner, file_id, number LIMIT $4""",
        f"INSERT INTO file_chunks ({CHUNK}) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        ("", ids.SMALLEST, -1),
        max_rows=PAGE_CHUNKS,
    ),
    Table(
        "files of messages",
        f"""SELECT {MESSAGE_FILE} FROM message_files
             WHERE (session_key, message_id, file_id) > ($1, $2, $3)
             ORDER BY session_key, message_id, file_id LIMIT $4""",
        f"INSERT INTO message_files ({MESSAGE_FILE}) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        (-1, ids.SMALLEST, ids.SMALLEST),
    ),
    Table(
        "sessions to index",
        """SELECT session_key FROM sessions
            WHERE session_key > $1 AND temporary = FALSE AND deleted_at IS NULL ORDER BY session_key LIMIT $2""",
        "INSERT INTO search_backlog (session_key, seq) VALUES ($1, 0) ON CONFLICT DO NOTHING",
        (-1,),
    ),
)
"""All tables, each after those that its rows refer to. The heads of sessions come after the messages."""


async def list_page(tx: Transaction, table: Table, after: Sequence[Param], limit: int) -> list[Row]:
    """Return the next rows of the table, at most `limit`, after the key `after`; empty at its end."""
    rows = await tx.all(table.select, *after, limit)
    if not table.bool_columns:
        return rows
    return [(*row[: -table.bool_columns], *map(bool, row[-table.bool_columns :])) for row in rows]


async def count_rows(tx: Transaction) -> int:
    """Return the number of rows of all tables."""
    counts = 0
    for table in TABLES:
        row = await tx.one(f"SELECT COUNT(*) FROM ({table.select}) AS page", *table.first_key, MAX_ROWS)
        counts += row[0] if row else 0
    return counts


async def add_page(tx: Transaction, table: Table, rows: Sequence[Row]) -> None:
    """Add rows to the table. Rows that exist already stay as they are."""
    await tx.many(table.insert, rows)
    tx.prove(can_be_repeated)


async def is_empty(tx: Transaction) -> bool:
    """Return True if the database has neither sessions nor facts: a copy into it can overwrite nothing."""
    rows = await tx.all("SELECT id FROM sessions UNION ALL SELECT id FROM facts LIMIT 1")
    return not rows
