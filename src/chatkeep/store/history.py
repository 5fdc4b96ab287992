"""Messages as they are at this moment: an open run's as far as its log has come, read in one snapshot."""

from collections.abc import Sequence
from typing import NamedTuple

from chatkeep.chat.event_log import fold
from chatkeep.chat.types import Message, Run, Session, has_ended
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions


class Page(NamedTuple):
    """Messages, oldest first; `next` is the `before` of the page before it; `position` is where the feed goes on."""

    messages: Sequence[Message]
    next: str | None
    position: str


class Answer(NamedTuple):
    """A run with the message it answers and its own."""

    run: Run
    user_message: Message
    message: Message


async def get_message(tx: Transaction, owner: str, message_id: str) -> Message:
    """The owner's message, as it is.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    return await _as_it_is(tx, await store_messages.get_message(tx, owner, message_id))


async def get_answer(tx: Transaction, owner: str, run_id: str) -> Answer:
    """The owner's run and its two messages, as they are.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    run = await store_runs.get_run(tx, owner, run_id)
    user = await store_messages.get_message(tx, owner, run.user_message_id)
    return Answer(run, user, await get_message(tx, owner, run.message_id))


async def list_messages(
    tx: Transaction, owner: str, session_id: str, limit: int | None, before: str | None, *, all_branches: bool
) -> Page:
    """The session's active branch, or every message of it; the last `limit` of those before the message `before`.

    Raises:
        NotFound: there is no such session, or it is somebody else's.
        InvalidRequest: `before` is no message of this session.
    """
    session = await store_sessions.get_session(tx, owner, session_id)
    oldest = await _find_before(tx, session, before) if before is not None else None
    more = limit + 1 if limit is not None else None
    if all_branches:
        found = await store_messages.list_all(tx, session.id, oldest.seq if oldest else None, more)
    else:
        found = await store_messages.list_branch(tx, oldest.parent_id if oldest else session.head_id, more)
    page = found[-limit:] if limit is not None else found
    last = await store_runs.find_last(tx, session.id)
    return Page(
        [await _as_it_is(tx, message) for message in page],
        page[0].id if len(page) < len(found) else None,
        f"{last.number}.{last.position}" if last else "0.0",
    )


async def _find_before(tx: Transaction, session: Session, message_id: str) -> Message:
    message = await store_messages.find_in_session(tx, session.id, message_id)
    if message is None:
        raise InvalidRequest("before: not a message of this session")
    return message


async def _as_it_is(tx: Transaction, message: Message) -> Message:
    if message.run_id is None or has_ended(message.status):
        return message
    return fold(await store_events.list_events(tx, message.run_id))
