"""Dependencies of the routes of conversations: the one of the path, and the page of items that the query asks for."""

from typing import Annotated, TypeAlias

from fastapi import Depends, Path, Query

from chatkeep.api.deps import OwnerId, RuntimeDep
from chatkeep.api.dialects.conversations import ItemOrder, ItemPage
from chatkeep.api.dialects.responses_place import parse_conversation_id
from chatkeep.chat.types import Session
from chatkeep.store import sessions as store_sessions

ConversationId: TypeAlias = Annotated[str, Path(description="A conversation's id")]


async def get_own_conversation(runtime: RuntimeDep, owner: OwnerId, conversation_id: ConversationId) -> Session:
    """Return the owner's session that the path names as a conversation."""
    session_id = parse_conversation_id(conversation_id)
    return await runtime.db.snapshot(lambda tx: store_sessions.get_session(tx, owner, session_id))


OwnConversation: TypeAlias = Annotated[Session, Depends(get_own_conversation, scope="function")]


async def get_item_page(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Annotated[ItemOrder, Query()] = "desc",
    after: Annotated[str | None, Query(description="The last item of the page before")] = None,
) -> ItemPage:
    """Return which items the query asks for."""
    return ItemPage(limit, order, after)


ItemPageDep: TypeAlias = Annotated[ItemPage, Depends(get_item_page)]
