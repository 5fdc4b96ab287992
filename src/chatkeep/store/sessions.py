"""The table `sessions`."""

from typing import NamedTuple

import msgspec

from chatkeep.chat.types import Session, SessionStatus
from chatkeep.db import Row, Transaction
from chatkeep.errors import NotFound

_metadata = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.encode

_STATUS: dict[str | None, SessionStatus] = {None: "idle", "in_progress": "busy", "requires_action": "requires_action"}

_AFTER_ALL = ("9999-12-31T23:59:59.999999Z", "00000000-0000-0000-0000-000000000000")
"""Where a list that begins with the last used goes on from."""

_SESSIONS = """
    SELECT s.id, s.title, s.assistant, s.model, s.metadata, r.status, s.head_id, s.next_message,
           s.created_at, s.updated_at
      FROM sessions s
      LEFT JOIN runs r ON r.session_id = s.id AND r.status IN ('in_progress', 'requires_action')
"""


class Reservation(NamedTuple):
    """What a claim took, the first message's seq and the run's number, and the session as it found it."""

    seq: int
    number: int
    head_id: str | None
    assistant: str
    model: str | None
    title: str | None


async def add_session(tx: Transaction, owner: str, session: Session) -> bool:
    """Store a new session; False when its id is taken."""
    row = await tx.one(
        """INSERT INTO sessions
                  (id, owner, title, assistant, model, metadata, next_message, next_run, created_at, updated_at)
           VALUES ($1, $2, $3, $4, $5, $6, 1, 1, $7, $8)
           ON CONFLICT (id) DO NOTHING
           RETURNING id""",
        session.id,
        owner,
        session.title,
        session.assistant,
        session.model,
        _encode(session.metadata).decode(),
        session.created_at,
        session.updated_at,
    )
    return row is not None


async def find_session(tx: Transaction, owner: str, session_id: str) -> Session | None:
    """The owner's session, or None."""
    row = await tx.one(_SESSIONS + "WHERE s.id = $1 AND s.owner = $2", session_id, owner)
    return _session(row) if row else None


async def get_session(tx: Transaction, owner: str, session_id: str) -> Session:
    """The owner's session.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    if session := await find_session(tx, owner, session_id):
        return session
    raise NotFound(f"no session {session_id}")


async def get_owner(tx: Transaction, session_id: str) -> str:
    """Whose session it is.

    Raises:
        NotFound: there is none.
    """
    row = await tx.one("SELECT owner FROM sessions WHERE id = $1", session_id)
    if row is None:
        raise NotFound(f"no session {session_id}")
    return row[0]


async def list_sessions(tx: Transaction, owner: str, limit: int, before: tuple[str, str] | None) -> list[Session]:
    """The owner's sessions, most recently used first; `before`: (updated_at, id) of the last one already seen."""
    updated_at, session_id = before or _AFTER_ALL
    rows = await tx.all(
        _SESSIONS
        + "WHERE s.owner = $1 AND (s.updated_at, s.id) < ($2, $3) ORDER BY s.updated_at DESC, s.id DESC LIMIT $4",
        owner,
        updated_at,
        session_id,
        limit,
    )
    return [_session(row) for row in rows]


async def change_session(tx: Transaction, owner: str, session: Session) -> None:
    """Store what of `session` can be changed by hand."""
    await tx.run(
        """UPDATE sessions
              SET title = $3, assistant = $4, model = $5, metadata = $6, head_id = $7, updated_at = $8
            WHERE id = $1 AND owner = $2""",
        session.id,
        owner,
        session.title,
        session.assistant,
        session.model,
        _encode(session.metadata).decode(),
        session.head_id,
        session.updated_at,
    )


async def delete_session(tx: Transaction, owner: str, session_id: str) -> None:
    """Delete a session and, by cascade, everything of it."""
    await tx.run("DELETE FROM sessions WHERE id = $1 AND owner = $2", session_id, owner)


async def reserve(tx: Transaction, owner: str, session_id: str, messages: int) -> Reservation:
    """Take the next run's number and the seqs of `messages` new messages.

    The first statement of every claim: its lock on the row puts the claims of a session in line.

    Raises:
        NotFound: there is no such session, or it is somebody else's.
    """
    row = await tx.one(
        """UPDATE sessions
              SET next_message = next_message + $3, next_run = next_run + 1, updated_at = $4
            WHERE id = $1 AND owner = $2
        RETURNING next_message - $3, next_run - 1, head_id, assistant, model, title""",
        session_id,
        owner,
        messages,
        await tx.now(),
    )
    if row is None:
        raise NotFound(f"no session {session_id}")
    return Reservation(*row)


async def set_head(tx: Transaction, session_id: str, message_id: str) -> None:
    """Make `message_id` the end of the active branch."""
    await tx.run("UPDATE sessions SET head_id = $2 WHERE id = $1", session_id, message_id)


async def set_first_title(tx: Transaction, session_id: str, title: str) -> bool:
    """Give a session its title unless it has one; whether this did. It is not used by that, nor moved in lists."""
    row = await tx.one("UPDATE sessions SET title = $2 WHERE id = $1 AND title IS NULL RETURNING id", session_id, title)
    return row is not None


async def touch(tx: Transaction, session_id: str) -> None:
    """Note that the session was used now."""
    await tx.run("UPDATE sessions SET updated_at = $2 WHERE id = $1", session_id, await tx.now())


def _session(row: Row) -> Session:
    return Session(
        id=row[0],
        title=row[1],
        assistant=row[2],
        model=row[3],
        metadata=_metadata(row[4]),
        status=_STATUS[row[5]],
        head_id=row[6],
        message_count=row[7] - 1,
        created_at=row[8],
        updated_at=row[9],
    )
