"""The table `sessions`: a row for each session. Its status is that of its open run, in the table `runs`."""

from typing import Any, NamedTuple

import msgspec

from chatkeep import ids
from chatkeep.chat.types import Session, SessionStatus
from chatkeep.db import Row, Transaction, can_be_repeated
from chatkeep.errors import NotFound
from chatkeep.store.session_titles import set_title_words

NO_OWNER = ""
"""The owner of deleted sessions. No user has this id."""

_metadata = msgspec.json.Decoder(dict[str, str]).decode
_params_from_json = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.encode

_STATUS: dict[str | None, SessionStatus] = {None: "idle", "in_progress": "busy", "requires_action": "requires_action"}

_AFTER_NEWEST = ("9999-12-31T23:59:59.999999Z", ids.SMALLEST)
"""The (updated_at, id) that comes before all sessions in a list that begins with the last used."""

_SESSIONS = """
    SELECT s.id, s.title, s.assistant, s.model, s.metadata, r.status, s.head_id, s.next_message,
           s.created_at, s.updated_at, s.params, s.instructions, s.temporary
      FROM sessions s
      LEFT JOIN runs r ON r.session_key = s.session_key AND r.status IN ('in_progress', 'requires_action')
"""


class Reservation(NamedTuple):
    """The numbers that a claim has reserved, and the session's columns as it found them.

    `seq` is that of the first new message; further messages get the next ones. `number` is the run's.
    """

    seq: int
    number: int
    head_id: str | None
    assistant: str
    model: str | None
    title: str | None
    params: dict[str, Any]
    instructions: str | None
    temporary: bool


async def add_session(tx: Transaction, owner: str, session: Session) -> bool:
    """Add the row of a new session. Return False if its id is taken."""
    row = await tx.one(
        """INSERT INTO sessions
                  (session_key, id, owner, title, assistant, model, metadata, next_message, next_run,
                   created_at, updated_at, params, instructions, temporary)
           VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 1, $8, $9, $10, $11, $12)
           ON CONFLICT (session_key) DO NOTHING
           RETURNING id""",
        ids.session_key(session.id),
        session.id,
        owner,
        session.title,
        session.assistant,
        session.model,
        _encode(session.metadata).decode(),
        session.created_at,
        session.updated_at,
        _params_to_json(session.params),
        session.instructions,
        session.temporary,
    )
    tx.prove(can_be_repeated)
    if row is not None and session.title is not None and not session.temporary:
        await set_title_words(tx, session.id, session.title, owner)
    return row is not None


async def find_session(tx: Transaction, owner: str, session_id: str) -> Session | None:
    """Return the owner's session; None if there is none."""
    row = await tx.one(
        _SESSIONS + "WHERE s.session_key = $1 AND s.id = $2 AND s.owner = $3",
        ids.session_key(session_id),
        session_id,
        owner,
    )
    return _session_from_row(row) if row else None


async def get_session(tx: Transaction, owner: str, session_id: str) -> Session:
    """Return the owner's session.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    if session := await find_session(tx, owner, session_id):
        return session
    raise NotFound(f"no session {session_id}")


async def get_owner(tx: Transaction, session_id: str) -> str:
    """Return the owner of a session.

    Raises:
        NotFound: there is none.
    """
    row = await tx.one("SELECT owner FROM sessions WHERE session_key = $1", ids.session_key(session_id))
    if row is None:
        raise NotFound(f"no session {session_id}")
    return row[0]


async def list_sessions(tx: Transaction, owner: str, limit: int, before: tuple[str, str] | None) -> list[Session]:
    """Return at most `limit` sessions of the owner, most recently used first, without temporary ones.

    `before` is the (updated_at, id) of the last session of the page before; None for the first page.
    """
    updated_at, session_id = before or _AFTER_NEWEST
    rows = await tx.all(
        _SESSIONS
        + """WHERE s.owner = $1 AND s.temporary = FALSE AND (s.updated_at, s.id) < ($2, $3)
             ORDER BY s.updated_at DESC, s.id DESC LIMIT $4""",
        owner,
        updated_at,
        session_id,
        limit,
    )
    return [_session_from_row(row) for row in rows]


async def change_session(tx: Transaction, owner: str, session: Session) -> None:
    """Store the fields of `session` that a client can change. That is no use of it: it keeps its place in lists."""
    await tx.run(
        """UPDATE sessions
              SET title = $3, assistant = $4, model = $5, metadata = $6, head_id = $7, params = $8, instructions = $9
            WHERE session_key = $1 AND owner = $2""",
        ids.session_key(session.id),
        owner,
        session.title,
        session.assistant,
        session.model,
        _encode(session.metadata).decode(),
        session.head_id,
        _params_to_json(session.params),
        session.instructions,
    )
    tx.prove(can_be_repeated)
    if not session.temporary:
        await set_title_words(tx, session.id, session.title, owner)


async def delete_session(tx: Transaction, owner: str, session_id: str) -> None:
    """Delete the owner's session, whose runs have all ended: from now on it is no owner's, so that no read finds it.

    Its rows are still there, and its id is taken, until `removal.py` has removed them.
    """
    await tx.run(
        """UPDATE sessions SET owner = $3, head_id = NULL, deleted_at = $4, temporary = FALSE
            WHERE session_key = $1 AND owner = $2""",
        ids.session_key(session_id),
        owner,
        NO_OWNER,
        await tx.now(),
    )
    tx.prove(lambda again: _is_deleted(again, session_id))


async def _is_deleted(tx: Transaction, session_id: str) -> bool:
    return not await lock(tx, session_id) or await get_owner(tx, session_id) == NO_OWNER


async def delete_unused(tx: Transaction, owner: str, session_id: str) -> None:
    """Delete the owner's session if it never had a message."""
    await tx.run(
        "DELETE FROM sessions WHERE session_key = $1 AND owner = $2 AND next_message = 1",
        ids.session_key(session_id),
        owner,
    )
    tx.prove(can_be_repeated)


async def reserve(tx: Transaction, owner: str, session_id: str, messages: int) -> Reservation:
    """Reserve the next run's number and the seqs of `messages` new messages.

    This is the first statement of every claim. It locks the row, so that the claims of a session come one by one.

    Raises:
        NotFound: there is no such session, or it belongs to another owner.
    """
    row = await tx.one(
        """UPDATE sessions
              SET next_message = next_message + $3, next_run = next_run + 1, updated_at = $4
            WHERE session_key = $1 AND owner = $2
        RETURNING next_message - $3, next_run - 1, head_id, assistant, model, title, params, instructions, temporary""",
        ids.session_key(session_id),
        owner,
        messages,
        await tx.now(),
    )
    if row is None:
        raise NotFound(f"no session {session_id}")
    seq, number, head_id, assistant, model, title, params, instructions, temporary = row
    return Reservation(seq, number, head_id, assistant, model, title, _params(params), instructions, bool(temporary))


async def set_head(tx: Transaction, session_id: str, message_id: str, first_title: str | None) -> None:
    """Make the message `message_id` the head of the session, and give it `first_title` if it has no title."""
    await tx.run(
        "UPDATE sessions SET head_id = $2, title = COALESCE(title, $3) WHERE session_key = $1",
        ids.session_key(session_id),
        message_id,
        first_title,
    )


async def set_better_title(tx: Transaction, session_id: str, title: str, words: str | None) -> bool:
    """Store the title of a session that has none, or only `words`. Return False if it has another: the user's.

    `updated_at` stays, so that the session keeps its place in lists.
    """
    row = await tx.one(
        """UPDATE sessions SET title = $2
            WHERE session_key = $1 AND (title IS NULL OR title = $3) RETURNING owner, temporary""",
        ids.session_key(session_id),
        title,
        words,
    )
    if row is not None and not row[1]:
        await set_title_words(tx, session_id, title, row[0])
    return row is not None


async def lock(tx: Transaction, session_id: str) -> bool:
    """Lock the session's row until the transaction ends. The row stays as it is, and the session keeps its place.

    Waits while another transaction has it. Return False if there is no such session.
    """
    row = await tx.one(
        "UPDATE sessions SET head_id = head_id WHERE session_key = $1 RETURNING id", ids.session_key(session_id)
    )
    return row is not None


async def touch(tx: Transaction, session_id: str) -> None:
    """Store that the session was used now. Also locks its row: every transaction locks the session before its run."""
    await tx.run(
        "UPDATE sessions SET updated_at = $2 WHERE session_key = $1", ids.session_key(session_id), await tx.now()
    )


def _session_from_row(row: Row) -> Session:
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
        params=_params(row[10]),
        instructions=row[11],
        temporary=bool(row[12]),
    )


def _params(text: str | None) -> dict[str, Any]:
    return {} if text is None else _params_from_json(text)


def _params_to_json(params: dict[str, Any]) -> str | None:
    return _encode(params).decode() if params else None
