"""Chats of clients that choose the id: which session each one is, and making it with its first message.

The id of a chat is any text. A UUID is the session's own id; of any other text, and the owner, the session's id is
computed (UUID version 5, RFC 9562 §5.5). So two requests that begin one chat make one session, two owners may use the
same text, and nothing has to be looked up.
"""

import uuid
from typing import NamedTuple

from chatkeep import ids
from chatkeep.api.requests import NewSession
from chatkeep.api.routes.sessions import open_session
from chatkeep.chat.types import Message, Run
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest, Refused
from chatkeep.runs.request import NewMessage
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.start import start_run
from chatkeep.store import history as store_history
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions

_CHATS = uuid.UUID("0f4d9c1e-6f0b-5c53-9a52-7d0c5a3f6b21")
"""The name space of these ids. It never changes: chats would be lost."""
MAX_CHAT_ID_CHARS = 512
_ALL_RUNS = 2**31 - 1


class History(NamedTuple):
    """A chat's active branch, oldest first, and the runs of its session by id."""

    messages: list[Message]
    runs: dict[str, Run]


def session_id_of(owner: str, chat_id: str) -> str:
    """Return the id of the session that `owner` calls `chat_id`, whether it exists or not.

    Raises:
        InvalidRequest: the text is empty or too long.
    """
    if not 0 < len(chat_id) <= MAX_CHAT_ID_CHARS:
        raise InvalidRequest(f"id: 1 to {MAX_CHAT_ID_CHARS} characters")
    return ids.parse(chat_id) or str(uuid.uuid5(_CHATS, f"{owner}\n{chat_id}"))


async def start_in_chat(runtime: Runtime, owner: str, new: NewSession, request: NewMessage, key: str | None) -> Run:
    """Return the run that answers `request` in the session `new.id`, which is made if it does not exist.

    Raises:
        Refused: see `docs/http-api.md`. A session that was made for this request is deleted again.
    """
    session, is_new = await open_session(runtime, owner, new)
    try:
        return await start_run(runtime, owner, session.id, request, key)
    except Refused:
        if is_new:
            await runtime.db.transaction(lambda tx: store_sessions.delete_unused(tx, owner, session.id))
        raise


async def find_open_run(runtime: Runtime, owner: str, chat_id: str) -> Run | None:
    """Return the chat's open run; None if it has none, or there is no such chat."""
    session_id = session_id_of(owner, chat_id)

    async def read(tx: Transaction) -> Run | None:
        session = await store_sessions.find_session(tx, owner, session_id)
        return await store_runs.find_open(tx, session_id) if session else None

    return await runtime.db.snapshot(read)


async def read_history(runtime: Runtime, owner: str, chat_id: str) -> History | None:
    """Return the chat's history as it is now; None if there is no such chat."""
    session_id = session_id_of(owner, chat_id)

    async def read(tx: Transaction) -> History | None:
        if await store_sessions.find_session(tx, owner, session_id) is None:
            return None
        page = await store_history.list_messages(tx, owner, session_id, None, None, all_branches=False)
        runs = await store_runs.list_from(tx, session_id, 1, _ALL_RUNS)
        return History(list(page.messages), {run.id: run for run in runs})

    return await runtime.db.snapshot(read)
