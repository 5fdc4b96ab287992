"""Reads messages as they are at this moment, all in one snapshot, with the functions of this package.

The row of an open run's message has no parts yet. That message is the fold of the run's log instead.
"""

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
    """A page of messages, oldest first.

    `next` is the `before` of the page before this one; None if there is none. `position` is where the session stream
    continues after this snapshot: `NUMBER.POSITION` (`docs/events.md`, "The stream of a session").
    """

    messages: Sequence[Message]
    next: str | None
    position: str


class SeqRange(NamedTuple):
    """A page of all branches: the messages whose `seq` is between the two, both included."""

    first: int
    last: int


class WholeHistory(NamedTuple):
    """A history as it was in one snapshot, to be read page by page in later ones.

    `pages`, oldest first: of the active branch, each the id of its last message. `open_message` is the one that a run
    had not ended, as it was; all others never change but by being erased. `position`: see `Page`.
    """

    session: Session
    pages: Sequence[str | SeqRange]
    open_message: Message | None
    position: str


PAGE_MESSAGES = 100
"""Messages of a page of a whole history."""


class Answer(NamedTuple):
    """A run, the user message that it answers, and its own message."""

    run: Run
    user_message: Message
    message: Message


async def get_message(tx: Transaction, owner: str, message_id: str) -> Message:
    """Return the owner's message, as it is now.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    return await _as_of_now(tx, await store_messages.get_message(tx, owner, message_id))


async def get_answer(tx: Transaction, owner: str, run_id: str) -> Answer:
    """Return the owner's run and its two messages, as they are now.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    run = await store_runs.get_run(tx, owner, run_id)
    user = await store_messages.get_message(tx, owner, run.user_message_id)
    return Answer(run, user, await get_message(tx, owner, run.message_id))


async def list_messages(
    tx: Transaction, owner: str, session_id: str, limit: int | None, before: str | None, *, all_branches: bool
) -> Page:
    """Return the session's active branch, or with `all_branches` every message, by `seq`.

    `before` is the id of a message: only what comes before it. `limit`: only the last so many of those; None is all.

    Raises:
        NotFound: there is no such session, or it belongs to another owner.
        InvalidRequest: `before` is no message of this session.
    """
    session = await store_sessions.get_session(tx, owner, session_id)
    following = await _get_before(tx, session, before) if before is not None else None
    one_more = limit + 1 if limit is not None else None  # shows if there is a page before this one
    if all_branches:
        messages = await store_messages.list_all(tx, session.id, following.seq if following else None, one_more)
    else:
        messages = await store_messages.list_branch(
            tx, session.id, following.parent_id if following else session.head_id, one_more
        )
    page = messages[-limit:] if limit is not None else messages
    return Page(
        [await _as_of_now(tx, message) for message in page],
        page[0].id if len(page) < len(messages) else None,
        await _get_position(tx, session.id),
    )


async def get_whole(
    tx: Transaction, owner: str, session_id: str, before: str | None, *, all_branches: bool
) -> WholeHistory:
    """Return the pages of what `list_messages` returns without a limit. No page is read yet.

    Raises:
        NotFound, InvalidRequest: as there.
    """
    session = await store_sessions.get_session(tx, owner, session_id)
    following = await _get_before(tx, session, before) if before is not None else None
    pages: list[str] | list[SeqRange]
    if all_branches:
        end = following.seq if following else session.message_count + 1
        firsts = range(1, end, PAGE_MESSAGES)
        pages = [SeqRange(first, min(first + PAGE_MESSAGES, end) - 1) for first in firsts]
    else:
        head_id = following.parent_id if following else session.head_id
        pages = await store_messages.list_page_ends(tx, session.id, head_id, PAGE_MESSAGES)
    run = await store_runs.find_open(tx, session.id)
    unfinished = await store_messages.find_in_session(tx, session.id, run.message_id) if run else None
    open_message = await _as_of_now(tx, unfinished) if unfinished else None
    return WholeHistory(session, pages, open_message, await _get_position(tx, session.id))


async def list_page(tx: Transaction, owner: str, whole: WholeHistory, page: str | SeqRange) -> list[Message]:
    """Return the messages of a page of a whole history, oldest first.

    Raises:
        NotFound: the session has been deleted meanwhile.
    """
    session = await store_sessions.get_session(tx, owner, whole.session.id)
    if isinstance(page, SeqRange):
        messages = await store_messages.list_from(tx, session.id, *page)
    else:
        messages = await store_messages.list_branch(tx, session.id, page, PAGE_MESSAGES)
    unfinished = whole.open_message
    return [unfinished if unfinished and each.id == unfinished.id else each for each in messages]


async def _get_position(tx: Transaction, session_id: str) -> str:
    last_run = await store_runs.find_last(tx, session_id)
    return f"{last_run.number}.{last_run.position}" if last_run else "0.0"


async def _get_before(tx: Transaction, session: Session, message_id: str) -> Message:
    message = await store_messages.find_in_session(tx, session.id, message_id)
    if message is None:
        raise InvalidRequest("before: not a message of this session")
    return message


async def _as_of_now(tx: Transaction, message: Message) -> Message:
    if message.run_id is None or has_ended(message.status):
        return message
    run = await store_runs.find_in_session(tx, message.session_id, message.run_id)
    assert run is not None, "the message was read with it, in this snapshot"
    return fold(await store_events.list_events(tx, run.key))
