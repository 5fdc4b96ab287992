"""Messages that are added without a run: a history that was made elsewhere (the tables `sessions` and `messages`)."""

from collections.abc import Callable, Sequence

from chatkeep import ids
from chatkeep.chat.types import Message
from chatkeep.db import Transaction
from chatkeep.errors import NotFound
from chatkeep.store.message_files import add_references
from chatkeep.store.messages import add_messages, find_in_session
from chatkeep.store.sessions import lock, set_head


async def append_messages(
    tx: Transaction, owner: str, session_id: str, count: int, make: Callable[[int, str | None, str], Sequence[Message]]
) -> Sequence[Message]:
    """Add `count` messages after the head of the owner's session, and return them; the last one is the new head.

    `make` returns them, given the number (`seq`) of the first, the message that it follows, and the time.

    Raises:
        NotFound: there is no such session, it belongs to another owner, or a file is not there any more.
    """
    now = await tx.now()
    row = await tx.one(
        """UPDATE sessions SET next_message = next_message + $3, updated_at = $4
            WHERE session_key = $1 AND owner = $2
        RETURNING next_message - $3, head_id, temporary""",
        ids.session_key(session_id),
        owner,
        count,
        now,
    )
    if row is None:
        raise NotFound(f"no session {session_id}")
    messages = make(row[0], row[1], now)
    await add_messages(tx, messages, None if row[2] else owner)
    await add_references(tx, owner, *messages)
    await set_head(tx, session_id, messages[-1].id, None)
    tx.prove(lambda again: _is_stored(again, messages[-1]))
    return messages


async def _is_stored(tx: Transaction, message: Message) -> bool:
    await lock(tx, message.session_id)
    return await find_in_session(tx, message.session_id, message.id) is not None
