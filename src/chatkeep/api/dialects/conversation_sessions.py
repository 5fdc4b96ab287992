"""The session of a conversation: making it, and changing its metadata."""

import msgspec
from msgspec.structs import replace

from chatkeep.api.dialects.bodies import validated
from chatkeep.api.dialects.conversation_items import add_items, read_items
from chatkeep.api.dialects.openai_models import PLAIN
from chatkeep.api.dialects.responses_request import metadata_of
from chatkeep.api.requests import NewSession
from chatkeep.api.routes.sessions import open_session
from chatkeep.chat.types import Session
from chatkeep.db import Transaction
from chatkeep.errors import Refused
from chatkeep.runs.runtime import Runtime
from chatkeep.store import sessions as store_sessions

_NULL = msgspec.Raw(b"null")


class ConversationBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a new conversation."""

    metadata: msgspec.Raw = _NULL
    items: msgspec.Raw = _NULL


async def open_conversation(runtime: Runtime, owner: str, body: ConversationBody) -> Session:
    """Return the session of a new conversation, with the items of `body` in it.

    Raises:
        Refused, RequestValidationError: they cannot be used; nothing is stored.
    """
    given = await read_items(body.items)
    new = validated(NewSession, {"assistant": PLAIN, "metadata": metadata_of(body.metadata)})
    session, _ = await open_session(runtime, owner, new)
    if given:
        try:
            await add_items(runtime, owner, session.id, given)
        except Refused:
            await runtime.db.transaction(lambda tx: store_sessions.delete_unused(tx, owner, session.id))
            raise
    return session


async def set_metadata(runtime: Runtime, owner: str, session_id: str, metadata: dict[str, str]) -> Session:
    """Replace the metadata of the owner's session, and return it.

    Raises:
        NotFound: it is gone.
    """

    async def write(tx: Transaction) -> Session:
        await store_sessions.lock(tx, session_id)  # what is read is written back
        changed = replace(await store_sessions.get_session(tx, owner, session_id), metadata=metadata)
        await store_sessions.change_session(tx, owner, changed)
        return changed

    changed = await runtime.db.transaction(write)
    runtime.notify_session(session_id, owner)
    return changed
