"""The table `messages`: a row for each message, with its parts as JSON.

A message's run id and status are not stored here: they are read from the run whose `message_id` it is. `words` are
those by which a search finds it, written in the same statement (`chat/words.py`).
"""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from chatkeep import ids
from chatkeep.chat import words
from chatkeep.chat.texts import join_shown
from chatkeep.chat.types import Message, Part, TextPart
from chatkeep.db import Param, Row, Transaction
from chatkeep.errors import NotFound
from chatkeep.store.former_ids import find_session_key

_parts = msgspec.json.Decoder(tuple[Part, ...]).decode
_encode = msgspec.json.encode

COLUMNS = """m.id, m.parent_id, m.seq, m.role, m.parts, r.id, r.status, m.created_at, m.client_id,
    m.claimed"""
"""The columns that `message_from_row` reads, of a message `m` and its run `r`."""
RUN = "LEFT JOIN runs r ON r.session_key = m.session_key AND r.message_id = m.id"
"""Joins the run `r` of a message `m`."""
_INSERT = """
    INSERT INTO messages (session_key, id, seq, parent_id, role, parts, created_at, client_id, claimed, words)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""
_NO_LIMIT = 2**31 - 1


async def add_message(tx: Transaction, message: Message, found_by: str | None = None) -> None:
    """Add the row of a new message, without its run id and status: the run's row has these.

    `found_by` is the owner whose searches find the message; None: none does.
    """
    await tx.run(_INSERT, *_to_row(message, found_by))


async def add_messages(tx: Transaction, messages: Sequence[Message], found_by: str | None = None) -> None:
    """Add the rows of new messages, each after the one that it follows."""
    await tx.many(_INSERT, [_to_row(each, found_by) for each in messages])


def _to_row(message: Message, found_by: str | None) -> tuple[Param, ...]:
    return (
        ids.session_key(message.session_id),
        message.id,
        message.seq,
        message.parent_id,
        message.role,
        _encode(message.parts).decode(),
        message.created_at,
        None if message.client_id is UNSET else message.client_id,
        message.claimed is True,
        index_words(message, found_by),
    )


def index_words(message: Message, found_by: str | None) -> str | None:
    """Return what the index of words holds of a message that the owner `found_by` finds; None if none does."""
    if found_by is None:
        return None
    marks = words.owner_mark(found_by), words.session_mark(ids.session_key(message.session_id))
    return words.to_index(join_shown(message.parts), (*marks, words.role_mark(message.role)))


async def set_parts(tx: Transaction, message: Message, found_by: str | None) -> None:
    """Replace the stored parts of a message by those of `message`; `found_by`: see `add_message`."""
    await tx.run(
        "UPDATE messages SET parts = $3, words = $4 WHERE session_key = $1 AND id = $2",
        ids.session_key(message.session_id),
        message.id,
        _encode(message.parts).decode(),
        index_words(message, found_by),
    )


async def get_message(tx: Transaction, owner: str, message_id: str) -> Message:
    """Return the owner's message, as stored.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    row = await tx.one(
        f"""SELECT {COLUMNS}, (SELECT s.id FROM sessions s WHERE s.session_key = $1 AND s.owner = $3)
              FROM messages m
              {RUN}
             WHERE m.session_key = $1 AND m.id = $2""",  # no join: SQLite began it with all of the owner's sessions
        await find_session_key(tx, message_id),
        message_id,
        owner,
    )
    if row is None or row[-1] is None:
        raise NotFound(f"no message {message_id}")
    return message_from_row(row[-1], row)


async def find_in_session(tx: Transaction, session_id: str, message_id: str) -> Message | None:
    """Return the message, as stored; None if the session has none with that id."""
    row = await tx.one(
        f"""SELECT {COLUMNS}
              FROM messages m
              {RUN}
             WHERE m.session_key = $1 AND m.id = $2""",
        ids.session_key(session_id),
        message_id,
    )
    return message_from_row(session_id, row) if row else None


async def find_by_client_id(tx: Transaction, session_id: str, client_id: str) -> Message | None:
    """Return the session's newest message to which a client gave the id `client_id`; None if there is none."""
    row = await tx.one(
        f"""SELECT {COLUMNS}
              FROM messages m
              {RUN}
             WHERE m.session_key = $1 AND m.client_id = $2
             ORDER BY m.seq DESC LIMIT 1""",
        ids.session_key(session_id),
        client_id,
    )
    return message_from_row(session_id, row) if row else None


MAX_HISTORY_MESSAGES = 2_000
"""The most messages of a branch that a prompt is chosen from."""
_PAGE_MESSAGES = 200
"""Messages that `list_latest` reads at once."""


async def list_branch(tx: Transaction, session_id: str, head_id: str | None, limit: int | None = None) -> list[Message]:
    """Return the session's branch that ends with `head_id`, oldest first: at most its last `limit` messages.

    The list is empty if `head_id` is None. The walk takes all columns along: when they were joined to it, an engine
    with statistics read the whole session.
    """
    rows = await tx.all(
        f"""WITH RECURSIVE branch (id, parent_id, seq, role, parts, run_id, status, created_at, client_id, claimed,
                                   depth) AS (
                SELECT {COLUMNS}, 1
                  FROM messages m
                  {RUN}
                 WHERE m.session_key = $1 AND m.id = $2
                UNION ALL
                SELECT {COLUMNS}, b.depth + 1
                  FROM branch b
                  JOIN messages m ON m.session_key = $1 AND m.id = b.parent_id
                  {RUN}
                 WHERE b.depth < $3)
            SELECT * FROM branch ORDER BY depth DESC""",
        ids.session_key(session_id),
        head_id,
        limit or _NO_LIMIT,
    )
    return [message_from_row(session_id, row) for row in rows]


async def list_page_ends(tx: Transaction, session_id: str, head_id: str | None, size: int) -> list[str]:
    """Return the ids that end the pages of the branch to `head_id`, oldest first: `list_branch` reads a page of `size`.

    Only the first page may be shorter. The walk reads no parts, so that it holds little of a long branch. It
    joins nothing: PostgreSQL with statistics read the whole session for a join.
    """
    rows = await tx.all(
        """WITH RECURSIVE branch (id, parent_id, depth) AS (
                SELECT m.id, m.parent_id, 0
                  FROM messages m
                 WHERE m.session_key = $1 AND m.id = $2
                UNION ALL
                SELECT b.parent_id,
                       (SELECT m.parent_id FROM messages m WHERE m.session_key = $1 AND m.id = b.parent_id),
                       b.depth + 1
                  FROM branch b
                 WHERE b.parent_id IS NOT NULL)
            SELECT id FROM branch WHERE depth % $3 = 0 ORDER BY depth DESC""",
        ids.session_key(session_id),
        head_id,
        size,
    )
    return [message_id for (message_id,) in rows]


async def list_latest(
    tx: Transaction, session_id: str, head_id: str | None, max_messages: int, max_chars: int
) -> list[Message]:
    """Return the end of the session's branch to `head_id`, oldest first, from which a prompt is chosen.

    It is read newest first, until it has `max_messages`, or more than `max_chars` characters of text. Only text counts,
    which a prompt always has in full: so no message is missing that would fit into a prompt of `max_chars` bytes.
    """
    messages: list[Message] = []
    while head_id is not None and len(messages) < max_messages and max_chars >= 0:
        page = await list_branch(tx, session_id, head_id, min(_PAGE_MESSAGES, max_messages - len(messages)))
        messages[:0] = page
        max_chars -= sum(len(part.text) for each in page for part in each.parts if isinstance(part, TextPart))
        head_id = page[0].parent_id if page else None
    return messages


async def list_all(tx: Transaction, session_id: str, before_seq: int | None, limit: int | None) -> list[Message]:
    """Return messages of all branches by `seq`: the last `limit` of those before `before_seq`.

    None: no limit, and no `before_seq`.
    """
    rows = await tx.all(
        f"""SELECT {COLUMNS}
              FROM messages m
              {RUN}
             WHERE m.session_key = $1 AND m.seq < $2
             ORDER BY m.seq DESC LIMIT $3""",
        ids.session_key(session_id),
        before_seq or _NO_LIMIT,
        limit or _NO_LIMIT,
    )
    return [message_from_row(session_id, row) for row in reversed(rows)]


async def list_from(tx: Transaction, session_id: str, first_seq: int, last_seq: int) -> list[Message]:
    """Return the messages of all branches whose `seq` is between the two, both included."""
    rows = await tx.all(
        f"""SELECT {COLUMNS}
              FROM messages m
              {RUN}
             WHERE m.session_key = $1 AND m.seq >= $2 AND m.seq <= $3
             ORDER BY m.seq""",
        ids.session_key(session_id),
        first_seq,
        last_seq,
    )
    return [message_from_row(session_id, row) for row in rows]


async def list_by_seq(tx: Transaction, places: Sequence[tuple[str, int]]) -> list[Message]:
    """Return the messages at `places`, each a session's id and a `seq`, in that order; without those that are gone."""
    session_ids = {ids.session_key(session_id): session_id for session_id, _ in places}
    rows = await tx.returning(
        f"""SELECT {COLUMNS}, m.session_key
              FROM messages m
              {RUN}
             WHERE m.session_key = $1 AND m.seq = $2""",
        [(ids.session_key(session_id), seq) for session_id, seq in places],
    )
    return [message_from_row(session_ids[row[-1]], row) for row in rows]


def message_from_row(session_id: str, row: Row) -> Message:
    """Return the session's message in a row of `COLUMNS`."""
    return Message(
        id=row[0],
        session_id=session_id,
        parent_id=row[1],
        seq=row[2],
        role=row[3],
        parts=_parts(row[4]),
        run_id=row[5],
        status=row[6] or "completed",
        created_at=row[7],
        client_id=row[8] or UNSET,
        claimed=True if row[9] else UNSET,
    )
