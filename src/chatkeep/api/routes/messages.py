"""Messages: reading the history."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from chatkeep import ids
from chatkeep.api.deps import MessageId, OwnerId, RuntimeDep, SessionId
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.responses import json_response
from chatkeep.api.views import MessagePage
from chatkeep.chat.types import Message
from chatkeep.errors import InvalidRequest, NotFound
from chatkeep.store import history

router = APIRouter(prefix="/api", tags=["messages"])


@router.get("/sessions/{session_id}/messages", responses={200: json_answer(MessagePage), **error_answers(NotFound)})
async def list_messages(
    runtime: RuntimeDep,
    owner: OwnerId,
    session_id: SessionId,
    limit: Annotated[int | None, Query(ge=1, le=1000, description="absent: all")] = None,
    before: Annotated[str | None, Query(description="`next` of the page after this one: a message's id")] = None,
    branches: Annotated[Literal["active", "all"], Query()] = "active",
) -> Response:
    """The history, oldest first: the active branch, or every message of every branch."""
    before_id = ids.parse(before) if before is not None else None
    if before is not None and before_id is None:
        raise InvalidRequest("before: not a message's id")
    page = await runtime.db.snapshot(
        lambda tx: history.list_messages(tx, owner, session_id, limit, before_id, all_branches=branches == "all")
    )
    return json_response(MessagePage(list(page.messages), page.next, page.position))


@router.get("/messages/{message_id}", responses={200: json_answer(Message), **error_answers(NotFound)})
async def get_message(runtime: RuntimeDep, owner: OwnerId, message_id: MessageId) -> Response:
    """A message; that of an open run as its log is now."""
    return json_response(await runtime.db.snapshot(lambda tx: history.get_message(tx, owner, message_id)))
