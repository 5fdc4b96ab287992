"""Messages: reading the history."""

from collections.abc import AsyncGenerator
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Response
from starlette.responses import StreamingResponse

from chatkeep import ids
from chatkeep.api.deps import MessageId, OwnerId, RuntimeDep, SessionId
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.responses import json_response
from chatkeep.api.views import MessagePage
from chatkeep.chat.types import Message
from chatkeep.errors import InvalidRequest, NotFound
from chatkeep.runs.runtime import Runtime
from chatkeep.store import history
from chatkeep.store.history import WholeHistory

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
    is_all, most = branches == "all", limit or history.PAGE_MESSAGES
    page = await runtime.db.snapshot(
        lambda tx: history.list_messages(tx, owner, session_id, most, before_id, all_branches=is_all)
    )
    if limit is not None or page.next is None:
        return json_response(MessagePage(list(page.messages), page.next, page.position))
    whole = await runtime.db.snapshot(
        lambda tx: history.get_whole(tx, owner, session_id, before_id, all_branches=is_all)
    )
    return StreamingResponse(_to_json(runtime, owner, whole), media_type="application/json")


async def _to_json(runtime: Runtime, owner: str, whole: WholeHistory) -> AsyncGenerator[bytes]:
    """Yield a long history as one JSON page, of which only a few messages are in memory at a time.

    If the session is deleted meanwhile, the answer breaks off before the JSON is complete.
    """
    start = b'{"data":['
    for page in whole.pages:
        messages = await runtime.db.snapshot(lambda tx, page=page: history.list_page(tx, owner, whole, page))
        yield start + b",".join(map(msgspec.json.encode, messages))
        start = b","
    yield b'],"next":null,"position":' + msgspec.json.encode(whole.position) + b"}"


@router.get("/messages/{message_id}", responses={200: json_answer(Message), **error_answers(NotFound)})
async def get_message(runtime: RuntimeDep, owner: OwnerId, message_id: MessageId) -> Response:
    """A message; that of an open run as its log is now."""
    return json_response(await runtime.db.snapshot(lambda tx: history.get_message(tx, owner, message_id)))
