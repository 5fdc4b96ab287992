"""What an owner's sessions say, across sessions: for searching, never on the way of a message."""

from typing import NamedTuple

from chatkeep.db import Connection
from chatkeep.store.messages import COLUMNS, message_of
from chatkeep.types import Message

MESSAGES = 2_000
"""The most messages that one step reads."""


class Recent(NamedTuple):
    """Messages with their sessions' titles; `is_last`: there are no more sessions."""

    messages: list[tuple[str | None, Message]]
    is_last: bool


async def list_recent(tx: Connection, owner: str, sessions: int, skip: int) -> Recent:
    """The newest messages of so many of the owner's sessions, after the `skip` most recently used."""
    found = await tx.all(
        "SELECT id FROM sessions WHERE owner = $1 ORDER BY updated_at DESC, id DESC LIMIT $2 OFFSET $3",
        owner,
        sessions,
        skip,
    )
    rows = await tx.all(
        f"""SELECT s.title, {COLUMNS}
              FROM sessions s
              JOIN messages m ON m.session_id = s.id
              LEFT JOIN runs r ON r.message_id = m.id
             WHERE s.owner = $1 AND s.id IN (SELECT id FROM sessions
                     WHERE owner = $1 ORDER BY updated_at DESC, id DESC LIMIT $2 OFFSET $3)
             ORDER BY s.updated_at DESC, s.id DESC, m.seq DESC LIMIT $4""",
        owner,
        sessions,
        skip,
        MESSAGES,
    )
    return Recent([(row[0], message_of(row[1:])) for row in rows], len(found) < sessions)
