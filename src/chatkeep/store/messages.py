"""The table `messages`: a row for each message, with its parts as JSON.

A message's run id and status are not stored here: they are read from the run whose `message_id` it is.
"""

import msgspec

from chatkeep.chat.types import Message, Part
from chatkeep.db import Row, Transaction
from chatkeep.errors import NotFound

_parts = msgspec.json.Decoder(tuple[Part, ...]).decode
_encode = msgspec.json.encode

COLUMNS = """m.id, m.session_id, m.parent_id, m.seq, m.role, m.parts, r.id, r.status, m.created_at"""
"""The columns that `message_from_row` reads, of a message `m` and its run `r`."""
_NO_LIMIT = 2**31 - 1


async def add_message(tx: Transaction, message: Message) -> None:
    """Add the row of a new message, without its run id and status: the run's row has these."""
    await tx.run(
        """INSERT INTO messages (id, session_id, seq, parent_id, role, parts, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        message.id,
        message.session_id,
        message.seq,
        message.parent_id,
        message.role,
        _encode(message.parts).decode(),
        message.created_at,
    )


async def set_parts(tx: Transaction, message: Message) -> None:
    """Replace the stored parts of a message by those of `message`."""
    await tx.run("UPDATE messages SET parts = $2 WHERE id = $1", message.id, _encode(message.parts).decode())


async def get_message(tx: Transaction, owner: str, message_id: str) -> Message:
    """Return the owner's message, as stored.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    row = await tx.one(
        f"""SELECT {COLUMNS}
              FROM messages m
              JOIN sessions s ON s.id = m.session_id AND s.owner = $2
              LEFT JOIN runs r ON r.message_id = m.id
             WHERE m.id = $1""",
        message_id,
        owner,
    )
    if row is None:
        raise NotFound(f"no message {message_id}")
    return message_from_row(row)


async def find_in_session(tx: Transaction, session_id: str, message_id: str) -> Message | None:
    """Return the message, as stored; None if the session has none with that id."""
    row = await tx.one(
        f"""SELECT {COLUMNS}
              FROM messages m
              LEFT JOIN runs r ON r.message_id = m.id
             WHERE m.id = $1 AND m.session_id = $2""",
        message_id,
        session_id,
    )
    return message_from_row(row) if row else None


MAX_HISTORY_MESSAGES = 2_000
"""The most messages of a branch that a prompt is chosen from."""


async def list_branch(tx: Transaction, head_id: str | None, limit: int | None = None) -> list[Message]:
    """Return the branch that ends with the message `head_id`, oldest first: at most its last `limit` messages.

    The list is empty if `head_id` is None.
    """
    rows = await tx.all(
        f"""WITH RECURSIVE branch (id, parent_id, depth) AS (
                SELECT id, parent_id, 1 FROM messages WHERE id = $1
                UNION ALL
                SELECT p.id, p.parent_id, b.depth + 1
                  FROM branch b JOIN messages p ON p.id = b.parent_id
                 WHERE b.depth < $2)
            SELECT {COLUMNS}
              FROM branch b
              JOIN messages m ON m.id = b.id
              LEFT JOIN runs r ON r.message_id = m.id
             ORDER BY b.depth DESC""",
        head_id,
        limit or _NO_LIMIT,
    )
    return [message_from_row(row) for row in rows]


async def list_all(tx: Transaction, session_id: str, before_seq: int | None, limit: int | None) -> list[Message]:
    """Return messages of all branches by `seq`: the last `limit` of those before `before_seq`.

    None: no limit, and no `before_seq`.
    """
    rows = await tx.all(
        f"""SELECT {COLUMNS}
              FROM messages m
              LEFT JOIN runs r ON r.message_id = m.id
             WHERE m.session_id = $1 AND m.seq < $2
             ORDER BY m.seq DESC LIMIT $3""",
        session_id,
        before_seq or _NO_LIMIT,
        limit or _NO_LIMIT,
    )
    return [message_from_row(row) for row in reversed(rows)]


def message_from_row(row: Row) -> Message:
    """Return the message in a row of `COLUMNS`."""
    return Message(
        id=row[0],
        session_id=row[1],
        parent_id=row[2],
        seq=row[3],
        role=row[4],
        parts=_parts(row[5]),
        run_id=row[6],
        status=row[7] or "completed",
        created_at=row[8],
    )
