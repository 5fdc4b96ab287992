"""OpenAI's Chat Completions: an answer to the messages of a client that keeps them itself."""

from functools import partial

from fastapi import APIRouter, Request, Response

from chatkeep.api.deps import IdempotencyKey, OwnerId, RuntimeDep
from chatkeep.api.dialects.bodies import read_body
from chatkeep.api.dialects.calls import Turn
from chatkeep.api.dialects.completions_request import CompletionBody
from chatkeep.api.dialects.completions_store import read_completion, to_stored
from chatkeep.api.dialects.completions_stream import CompletionEncoder, problem_of
from chatkeep.api.dialects.completions_turn import Started, leave, start_completion, wait_for_end
from chatkeep.api.dialects.framing import dialect_stream
from chatkeep.api.dialects.openai_errors import status_of, to_run_error
from chatkeep.api.openapi import DIALECT_STREAM, OBJECT, OPENAI_TURN_ERRORS, json_body
from chatkeep.api.responses import object_response
from chatkeep.errors import ShuttingDown
from chatkeep.runs.runtime import Runtime

router = APIRouter(prefix="/v1/chat/completions", tags=["OpenAI"])

_ANSWERS = {
    200: {"description": "A `ChatCompletion`, or a stream of chunks", "content": {**OBJECT, **DIALECT_STREAM}},
    **OPENAI_TURN_ERRORS,
}


@router.post("", openapi_extra=json_body("The whole conversation", "model", "messages"), responses=_ANSWERS)
async def create_completion(
    request: Request, runtime: RuntimeDep, owner: OwnerId, idempotency_key: IdempotencyKey = None
) -> Response:
    """Answer the messages. Unless the answer is stored, or the request has a key, it is stopped when you leave."""
    body = await read_body(request, CompletionBody)
    size = len(await request.body())
    started = await start_completion(runtime, owner, body, size, idempotency_key)
    if body.stream:
        encoder = CompletionEncoder(body.model, started.reply, has_usage=body.has_usage)
        return dialect_stream(runtime, Turn(started.run), encoder, {}, partial(leave, runtime, started))
    return await _whole(request, runtime, owner, started, body.model)


async def _whole(request: Request, runtime: Runtime, owner: str, started: Started, model: str) -> Response:
    if not await wait_for_end(runtime, started, request):
        raise ShuttingDown("the service is shutting down; repeat the request with the same Idempotency-Key")
    completion = await runtime.db.snapshot(lambda tx: read_completion(tx, owner, started.run.id))
    headers = {"location": f"/api/runs/{started.run.id}"}
    if problem := problem_of(completion.run):
        return object_response(to_run_error(problem), status_of(problem.code), headers)
    return object_response({**to_stored(completion), "model": model}, 200, headers)
