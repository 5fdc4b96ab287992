"""Messages: what the user says, and what was said."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from chatkeep import ids
from chatkeep.agent.turn_spec import ClientTool
from chatkeep.api.deps import IdempotencyKey, MessageId, OwnerId, RuntimeDep, SessionId
from chatkeep.api.requests import JsonRoute, NewMessage
from chatkeep.api.responses import RequestedForm, json_response, run_response
from chatkeep.api.views import EVENT_STREAM, MessagePage, RunAnswer, answer, refusals
from chatkeep.chat.types import Message
from chatkeep.errors import (
    EventsExpired,
    IdempotencyMismatch,
    InvalidRequest,
    NotFound,
    SessionBusy,
    ShuttingDown,
    TooManyRuns,
)
from chatkeep.runs import claim
from chatkeep.store.history import get_message as read_message
from chatkeep.store.history import list_messages as read_messages

router = APIRouter(prefix="/api", tags=["messages"], route_class=JsonRoute)

CLAIMS = {
    200: answer(RunAnswer, content=EVENT_STREAM),
    202: answer(RunAnswer),
    **refusals(NotFound, SessionBusy, IdempotencyMismatch, EventsExpired, TooManyRuns, ShuttingDown),
}
"""What a claim is answered with (protocol §3)."""


@router.post("/sessions/{session_id}/messages", responses=CLAIMS)
async def send_message(
    runtime: RuntimeDep,
    owner: OwnerId,
    session_id: SessionId,
    body: NewMessage,
    form: RequestedForm,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Say something, and get the answer as it is made. The answer goes on being made if you leave."""
    parent = body.parent_id if "parent_id" in body.model_fields_set else claim.AtHead()
    user = claim.NewMessage(body.content, parent)
    tools = [ClientTool(tool.name, tool.description, tool.parameters) for tool in body.tools]
    wanted = claim.Wanted(session_id, user, body.model, body.on_busy, idempotency_key, body.request(), tools)
    return await run_response(runtime, owner, await claim.claim(runtime, owner, wanted), form)


@router.get("/sessions/{session_id}/messages", responses={200: answer(MessagePage), **refusals(NotFound)})
async def list_messages(
    runtime: RuntimeDep,
    owner: OwnerId,
    session_id: SessionId,
    limit: Annotated[int | None, Query(ge=1, le=1000, description="absent: all")] = None,
    before: Annotated[str | None, Query(description="`next` of the page after this one: a message's id")] = None,
    branches: Annotated[Literal["active", "all"], Query()] = "active",
) -> Response:
    """The history, oldest first: the active branch, or every message of every branch."""
    oldest = ids.parse(before) if before is not None else None
    if before is not None and oldest is None:
        raise InvalidRequest("before: not a message's id")
    page = await runtime.db.snapshot(
        lambda tx: read_messages(tx, owner, session_id, limit, oldest, all_branches=branches == "all")
    )
    return json_response(MessagePage(list(page.messages), page.next, page.position))


@router.get("/messages/{message_id}", responses={200: answer(Message), **refusals(NotFound)})
async def get_message(runtime: RuntimeDep, owner: OwnerId, message_id: MessageId) -> Response:
    """A message; that of an open run as far as it has got."""
    return json_response(await runtime.db.snapshot(lambda tx: read_message(tx, owner, message_id)))
