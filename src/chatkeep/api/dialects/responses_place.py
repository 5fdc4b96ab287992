"""Where in the store a request for a response belongs. The first of these that is there decides:

previous_response_id     after the answer of that response, as a branch
conversation             after the last message of that session
an item with our id      after that answer, in its session
none of them             in a session of its own
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from chatkeep import ids
from chatkeep.api.dialects.responses_input import InputItem, NewInput, outputs_of
from chatkeep.api.dialects.responses_request import ResponseBody
from chatkeep.api.dialects.responses_segments import ResponseId, parse_response_id
from chatkeep.api.dialects.responses_store import read_response
from chatkeep.chat.events import Event
from chatkeep.chat.types import Run, Session
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest, NotFound
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions

CONVERSATION = "conv_"
"""The beginning of a conversation's id; the rest is the session's."""


class Place(NamedTuple):
    """Where new items belong: after the answer `parent_id` of `session`; None: after its last message.

    `log` is that of the session's open run, if it waits. Without a session, the items begin one.
    """

    session: Session | None
    parent_id: str | None
    items: Sequence[InputItem]
    open_run: Run | None = None
    log: Sequence[Event] = ()


def parse_conversation_id(text: str) -> str:
    """Return the id of the session that a conversation is.

    Raises:
        NotFound: it is no id of one.
    """
    session_id = ids.parse(text.removeprefix(CONVERSATION)) if text.startswith(CONVERSATION) else None
    if session_id is None:
        raise NotFound(f"no conversation {text}")
    return session_id


async def find_place(tx: Transaction, owner: str, body: ResponseBody, new: NewInput) -> Place:
    """Return where the new items of a request belong.

    Raises:
        NotFound: there is no such response or conversation.
        InvalidRequest: the response is not the last one of its run, or there is no such item.
    """
    if body.previous_response_id is not None:
        if body.conversation is not None:
            raise InvalidRequest("previous_response_id: not together with conversation")
        session, message_id = await _find_previous(tx, owner, body.previous_response_id, new)
        return await _in_session(tx, session, message_id, new.items)
    if body.conversation_id is not None:
        session = await store_sessions.get_session(tx, owner, parse_conversation_id(body.conversation_id))
        return await _in_session(tx, session, None, new.items)
    if new.answer_id is not None:
        with suppress(NotFound):
            message = await store_messages.get_message(tx, owner, new.answer_id)
            session = await store_sessions.get_session(tx, owner, message.session_id)
            return await _in_session(tx, session, message.id, new.items)
    if new.references:
        raise InvalidRequest(f"input: there is no item {new.references[-1][:80]!r} here")
    return Place(None, None, new.all_items)


async def _find_previous(tx: Transaction, owner: str, previous_id: str, new: NewInput) -> tuple[Session, str]:
    """Return the session of a response, and the id of our message that it is, or is part of."""
    found = parse_response_id(previous_id)
    stored = await read_response(tx, owner, found) if found else None
    if stored is None:
        raise NotFound(f"no response {previous_id}")
    if not stored.is_last and not outputs_of(new.items):
        last = stored.segments[-1]
        later = ResponseId(stored.run.id, len(stored.segments) - 1, last.after)
        raise InvalidRequest(f"previous_response_id: its calls have their outputs, and it went on as {later}")
    return await store_sessions.get_session(tx, owner, stored.run.session_id), stored.run.message_id


async def _in_session(tx: Transaction, session: Session, parent_id: str | None, items: Sequence[InputItem]) -> Place:
    run = await store_runs.find_open(tx, session.id)
    log = await store_events.list_events(tx, run.key) if run and run.status == "requires_action" else ()
    return Place(session, parent_id, items, run, log)
