"""Items that a client adds to a conversation: a history that was made elsewhere. No model is asked."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from chatkeep.api.dialects.attachments import SaidMessage, given_files, settle_messages, stored_files
from chatkeep.api.dialects.responses_history import to_history
from chatkeep.api.dialects.responses_input import read_input
from chatkeep.chat.types import Message
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest, SessionBusy
from chatkeep.runs.claim import to_messages
from chatkeep.runs.request import EarlierMessage
from chatkeep.runs.runtime import Runtime
from chatkeep.store import claimed as store_claimed
from chatkeep.store import runs as store_runs

MAX_NEW_ITEMS = 20
"""How many items one request adds (OpenAI's API reference, Conversations, "Create items")."""


async def read_items(raw: msgspec.Raw) -> list[SaidMessage]:
    """Return the messages that the items of a request are; none without items.

    Raises:
        InvalidRequest: they are too many, or no messages, calls and outputs of a history.
    """
    if bytes(raw) == b"null":
        return []
    new = await read_input(raw)
    if len(new.all_items) > MAX_NEW_ITEMS:
        raise InvalidRequest(f"items: at most {MAX_NEW_ITEMS}")
    if new.instructions:
        raise InvalidRequest("items: no words of the system; send them as the instructions of a response")
    return await to_history(new.all_items)


async def add_items(runtime: Runtime, owner: str, session_id: str, given: Sequence[SaidMessage]) -> Sequence[Message]:
    """Add messages to the end of the owner's session; return them as they are stored.

    Raises:
        NotFound: there is no such session, or no such file.
        SessionBusy: a response is being made in it.
        InvalidRequest, BodyTooLarge: a file cannot be stored.
    """
    async with stored_files(runtime, owner, given_files(given)) as files:
        return await _append(runtime, owner, session_id, settle_messages(given, files))


async def _append(runtime: Runtime, owner: str, session_id: str, given: Sequence[EarlierMessage]) -> Sequence[Message]:
    def make(seq: int, head_id: str | None, now: str) -> list[Message]:
        first, *rest = [replace(each, seq=seq + each.seq) for each in to_messages(given, session_id, now)]
        return [replace(first, parent_id=head_id), *rest]

    async def write(tx: Transaction) -> Sequence[Message]:
        messages = await store_claimed.append_messages(tx, owner, session_id, len(given), make)
        if run := await store_runs.find_open(tx, session_id):
            raise SessionBusy("a response is being made in this conversation", run_id=run.id)
        return messages

    messages = await runtime.db.transaction(write)
    runtime.notify_session(session_id, owner)
    return messages
