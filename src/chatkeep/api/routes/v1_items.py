"""Items of OpenAI's Conversations: the messages and calls of a session's active branch."""

from contextlib import suppress
from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec
from fastapi import APIRouter, Path, Request, Response

from chatkeep.api.deps import OwnerId, RuntimeDep
from chatkeep.api.dialects.bodies import read_body
from chatkeep.api.dialects.conversation_deps import ItemPageDep, OwnConversation
from chatkeep.api.dialects.conversation_items import add_items, read_items
from chatkeep.api.dialects.conversations import ItemPage, item_page, to_conversation, to_items
from chatkeep.api.dialects.responses_items import Item, parse_item_id
from chatkeep.api.openapi import OBJECT, json_body, openai_error_answers
from chatkeep.api.responses import object_response
from chatkeep.chat.types import Session
from chatkeep.errors import InvalidRequest, NotFound, SessionBusy
from chatkeep.runs.erase import erase_part
from chatkeep.runs.runtime import Runtime
from chatkeep.store import history as store_history

router = APIRouter(prefix="/v1/conversations", tags=["OpenAI"])

ItemIdInPath: TypeAlias = Annotated[str, Path(description="An item's id")]
_ITEMS: dict[str, Any] = {"description": "A list of items", "content": OBJECT}


class FoundItem(NamedTuple):
    """An item, with the message and the index of the part that it is; None: a whole message."""

    item: Item
    message_id: str
    part: int | None


class NewItems(msgspec.Struct, forbid_unknown_fields=True):
    """The body of new items."""

    items: msgspec.Raw


@router.post(
    "/{conversation_id}/items",
    openapi_extra=json_body("`items`, at most 20", "items"),
    responses={200: _ITEMS, **openai_error_answers(NotFound, SessionBusy)},
)
async def create_items(request: Request, runtime: RuntimeDep, owner: OwnerId, session: OwnConversation) -> Response:
    """Add items to the end: of a history that was made elsewhere. Answers among them are marked as claimed."""
    body = await read_body(request, NewItems)
    given = await read_items(body.items)
    if not given:
        raise InvalidRequest("items: at least one")
    added = await add_items(runtime, owner, session.id, given)
    data = [item for message in added for item in to_items(message)]
    return object_response(item_page(data, ItemPage(len(data), "asc", None)))


@router.get("/{conversation_id}/items", responses={200: _ITEMS, **openai_error_answers(NotFound)})
async def list_items(runtime: RuntimeDep, owner: OwnerId, session: OwnConversation, page: ItemPageDep) -> Response:
    """The items, newest first: of the active branch, an open answer as it is now."""
    return object_response(item_page(await _read_items(runtime, owner, session), page))


@router.delete(
    "/{conversation_id}/items/{item_id}",
    responses={
        200: {"description": "The `Conversation`", "content": OBJECT},
        **openai_error_answers(NotFound, SessionBusy),
    },
)
async def delete_item(runtime: RuntimeDep, owner: OwnerId, session: OwnConversation, item_id: ItemIdInPath) -> Response:
    """Erase an item; of a call, its output with it. Events of its response are no longer kept."""
    found = await _find_item(runtime, owner, session, item_id)
    await erase_part(runtime, owner, session.id, found.message_id, found.part)
    return object_response(to_conversation(session))


@router.get(
    "/{conversation_id}/items/{item_id}",
    responses={200: {"description": "An item", "content": OBJECT}, **openai_error_answers(NotFound)},
)
async def get_item(runtime: RuntimeDep, owner: OwnerId, session: OwnConversation, item_id: ItemIdInPath) -> Response:
    """An item."""
    return object_response((await _find_item(runtime, owner, session, item_id)).item)


async def _find_item(runtime: Runtime, owner: str, session: Session, item_id: str) -> FoundItem:
    """Return an item of a session; NotFound if there is none."""
    parsed = parse_item_id(item_id)
    if parsed is not None:
        with suppress(NotFound):
            message = await runtime.db.snapshot(lambda tx: store_history.get_message(tx, owner, parsed.message_id))
            for item in to_items(message) if message.session_id == session.id else ():
                if item["id"] == item_id:
                    return FoundItem(item, message.id, parsed.part)
    raise NotFound(f"no item {item_id}")


async def _read_items(runtime: Runtime, owner: str, session: Session) -> list[Item]:
    history = await runtime.db.snapshot(
        lambda tx: store_history.list_messages(tx, owner, session.id, None, None, all_branches=False)
    )
    return [item for message in history.messages for item in to_items(message)]
