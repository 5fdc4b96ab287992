"""OpenAI's stored Chat Completions: reading, listing, changing and deleting them."""

from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Path, Query, Request, Response

from chatkeep.api.deps import OwnerId, RuntimeDep
from chatkeep.api.dialects import completions_store
from chatkeep.api.dialects.completions_store import list_messages, to_stored
from chatkeep.api.dialects.completions_stream import ID_PREFIX
from chatkeep.api.dialects.conversation_sessions import set_metadata
from chatkeep.api.dialects.conversations import ItemPage, item_page, list_object
from chatkeep.api.openapi import OBJECT, openai_error_answers
from chatkeep.api.requests import JsonRoute, Metadata
from chatkeep.api.responses import object_response
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest, NotFound
from chatkeep.runs import cancel
from chatkeep.runs.request import RequestModel

router = APIRouter(prefix="/v1/chat/completions", tags=["OpenAI"], route_class=JsonRoute)

CompletionId: TypeAlias = Annotated[str, Path(description="A completion's id: `chatcmpl-` and a run's id")]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=100)]
After: TypeAlias = Annotated[str | None, Query(description="The last id of the page before")]
_OBJECT = {"description": "As in OpenAI's API", "content": OBJECT}
_ANSWERS = {200: _OBJECT, **openai_error_answers(NotFound)}


class CompletionChange(RequestModel):
    """The fields of a stored completion that change."""

    metadata: Metadata | None


@router.get("", responses={200: _OBJECT, **openai_error_answers(NotFound)})
async def list_completions(
    request: Request,
    runtime: RuntimeDep,
    owner: OwnerId,
    limit: Limit = 20,
    after: After = None,
    order: Annotated[Literal["asc", "desc"] | None, Query(description="`desc`, or left out")] = None,
) -> Response:
    """The last answer of each session, the most recently used first."""
    others = [name for name in request.query_params if name not in ("limit", "after", "order")]
    if others:
        raise InvalidRequest(f"{others[0][:64]}: completions cannot be chosen by it")
    if order == "asc":
        raise InvalidRequest("order: the most recently used come first")
    found, has_more = await runtime.db.snapshot(lambda tx: completions_store.list_completions(tx, owner, limit, after))
    return object_response(list_object([to_stored(each) for each in found], has_more=has_more))


@router.get("/{completion_id}", responses=_ANSWERS)
async def get_completion(runtime: RuntimeDep, owner: OwnerId, completion_id: CompletionId) -> Response:
    """A stored completion, as it is now."""
    found = await runtime.db.snapshot(lambda tx: completions_store.get_completion(tx, owner, completion_id))
    return object_response(to_stored(found))


@router.post("/{completion_id}", responses=_ANSWERS)
async def change_completion(
    runtime: RuntimeDep, owner: OwnerId, completion_id: CompletionId, body: CompletionChange
) -> Response:
    """Replace the metadata, which are those of its session."""
    found = await runtime.db.snapshot(lambda tx: completions_store.get_completion(tx, owner, completion_id))
    session = await set_metadata(runtime, owner, found.session.id, body.metadata or {})
    return object_response(to_stored(found._replace(session=session)))


@router.delete("/{completion_id}", responses=_ANSWERS)
async def delete_completion(runtime: RuntimeDep, owner: OwnerId, completion_id: CompletionId) -> Response:
    """Delete a completion with its session, and everything in it."""
    found = await runtime.db.snapshot(lambda tx: completions_store.get_completion(tx, owner, completion_id))
    await cancel.delete_session(runtime, owner, found.session.id)
    fields = {"object": "chat.completion.deleted", "id": f"{ID_PREFIX}{found.run.id}", "deleted": True}
    return object_response(fields)


@router.get("/{completion_id}/messages", responses=_ANSWERS)
async def list_completion_messages(
    runtime: RuntimeDep,
    owner: OwnerId,
    completion_id: CompletionId,
    limit: Limit = 20,
    after: After = None,
    order: Annotated[Literal["asc", "desc"], Query()] = "asc",
) -> Response:
    """The messages that it answers, without system messages."""
    settings = runtime.settings

    async def read(tx: Transaction) -> list[dict[str, Any]]:
        completion = await completions_store.get_completion(tx, owner, completion_id)
        return await list_messages(tx, completion, settings)

    return object_response(item_page(await runtime.db.snapshot(read), ItemPage(limit, order, after)))
