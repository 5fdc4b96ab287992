"""OpenAI's Responses, and Open Responses: a response is a run, or the part of one between two waits for the client."""

from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Path, Query, Request, Response

from chatkeep.api.deps import IdempotencyKey, OwnerId, RuntimeDep
from chatkeep.api.dialects import responses_end, responses_store, responses_turn
from chatkeep.api.dialects.bodies import read_body
from chatkeep.api.dialects.conversation_deps import ItemPageDep
from chatkeep.api.dialects.conversations import input_items, item_page
from chatkeep.api.dialects.responses_request import ResponseBody
from chatkeep.api.dialects.responses_store import StoredResponse, response_frames, response_stream
from chatkeep.api.dialects.responses_tokens import count_tokens
from chatkeep.api.openapi import DIALECT_STREAM, OBJECT, OPENAI_TURN_ERRORS, json_body, openai_error_answers
from chatkeep.api.responses import object_response
from chatkeep.errors import CallNotWaiting, EventsExpired, NotFound
from chatkeep.runs.runtime import Runtime

router = APIRouter(prefix="/v1/responses", tags=["OpenAI"])

ResponseId: TypeAlias = Annotated[str, Path(description="A response's id")]
_RESPONSE: dict[str, Any] = {"description": "A `Response`", "content": {**OBJECT, **DIALECT_STREAM}}


@router.post(
    "",
    openapi_extra=json_body("The request of `responses.create`", "input"),
    responses={200: _RESPONSE, **OPENAI_TURN_ERRORS, **openai_error_answers(CallNotWaiting)},
)
async def create_response(
    request: Request, runtime: RuntimeDep, owner: OwnerId, idempotency_key: IdempotencyKey = None
) -> Response:
    """Send a message, or outputs of calls. The response goes on being made if you leave."""
    body = await read_body(request, ResponseBody)
    stored = await responses_turn.create_response(runtime, owner, body, idempotency_key)
    if body.stream:
        return response_stream(runtime, owner, stored)
    headers = {"location": f"/v1/responses/{stored.id}"}
    if body.background:
        return object_response(stored.encoder().snapshot(), 200, headers)
    return object_response(await _wait_for_end(runtime, owner, stored), 200, headers)


@router.post(
    "/input_tokens",
    openapi_extra=json_body("The request of `responses.input_tokens.count`", "input"),
    responses={200: {"description": "The number of tokens", "content": OBJECT}, **openai_error_answers(NotFound)},
)
async def count_input_tokens(request: Request, runtime: RuntimeDep, owner: OwnerId) -> Response:
    """An estimate of the tokens that a request would have. No model is asked, and nothing is stored."""
    tokens = await count_tokens(runtime, owner, await read_body(request, ResponseBody))
    return object_response({"object": "response.input_tokens", "input_tokens": tokens})


@router.get("/{response_id}", responses={200: _RESPONSE, **openai_error_answers(NotFound, EventsExpired)})
async def get_response(
    runtime: RuntimeDep,
    owner: OwnerId,
    response_id: ResponseId,
    stream: Annotated[bool, Query(description="As a stream, from its beginning or after a number")] = False,
    starting_after: Annotated[int, Query(ge=-1, description="The `sequence_number` of the last event you have")] = -1,
) -> Response:
    """A response as it is now, or its stream."""
    stored = await responses_store.get_response(runtime, owner, response_id)
    if stream:
        return response_stream(runtime, owner, stored, starting_after)
    return object_response(stored.to_object())


@router.post(
    "/{response_id}/cancel",
    responses={200: {"description": "A `Response`", "content": OBJECT}, **openai_error_answers(NotFound)},
)
async def cancel_response(runtime: RuntimeDep, owner: OwnerId, response_id: ResponseId) -> Response:
    """Stop a response; the text so far is kept. One that has ended stays as it is."""
    stored = await responses_end.cancel_response(runtime, owner, response_id)
    return object_response(stored.to_object())


@router.delete(
    "/{response_id}",
    responses={200: {"description": "It is deleted", "content": OBJECT}, **openai_error_answers(NotFound)},
)
async def delete_response(runtime: RuntimeDep, owner: OwnerId, response_id: ResponseId) -> Response:
    """Delete a response with its session, which has no other one. Else delete the conversation."""
    await responses_end.delete_response(runtime, owner, response_id)
    return object_response({"id": response_id, "object": "response.deleted", "deleted": True})


@router.get(
    "/{response_id}/input_items",
    responses={200: {"description": "A list of items", "content": OBJECT}, **openai_error_answers(NotFound)},
)
async def list_input_items(runtime: RuntimeDep, owner: OwnerId, response_id: ResponseId, page: ItemPageDep) -> Response:
    """The message that a response answers, or the outputs of calls after which it goes on."""
    stored = await responses_store.get_response(runtime, owner, response_id)
    return object_response(item_page(input_items(stored), page))


async def _wait_for_end(runtime: Runtime, owner: str, stored: StoredResponse) -> dict[str, Any]:
    """Return the response when it has ended; as it is then if this process cannot see that: it drains, say."""
    encoder = stored.encoder()
    async for _ in response_frames(runtime, owner, stored, encoder):
        pass
    return encoder.response if encoder.ending is not None else encoder.snapshot()
