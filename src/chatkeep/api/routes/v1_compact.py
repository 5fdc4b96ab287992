"""Open Responses' compaction: a long history in short."""

from fastapi import APIRouter, Request, Response

from chatkeep.api.deps import IdempotencyKey, OwnerId, RuntimeDep
from chatkeep.api.dialects.bodies import read_body
from chatkeep.api.dialects.completions_stream import problem_of
from chatkeep.api.dialects.openai_errors import status_of, to_run_error
from chatkeep.api.dialects.responses_compact import CompactBody, start_summary
from chatkeep.api.dialects.responses_compaction import to_compaction
from chatkeep.api.dialects.responses_input import read_input
from chatkeep.api.openapi import OBJECT, OPENAI_TURN_ERRORS, json_body
from chatkeep.api.responses import object_response
from chatkeep.errors import ShuttingDown
from chatkeep.runs.follow import wait_until_at_rest
from chatkeep.store import history as store_history

router = APIRouter(prefix="/v1/responses", tags=["OpenAI"])


@router.post(
    "/compact",
    openapi_extra=json_body("The request of `responses.compact`", "model", "input"),
    responses={200: {"description": "The history, shorter", "content": OBJECT}, **OPENAI_TURN_ERRORS},
)
async def compact_history(
    request: Request, runtime: RuntimeDep, owner: OwnerId, idempotency_key: IdempotencyKey = None
) -> Response:
    """Replace all but the user's messages by a summary, which the model writes. Nothing of it is stored for long."""
    body = await read_body(request, CompactBody)
    given = await read_input(body.input)
    run = await start_summary(runtime, owner, body, given, idempotency_key)
    if not await wait_until_at_rest(runtime, run):
        raise ShuttingDown("the service is shutting down; repeat the request with the same Idempotency-Key")
    ended, _, message = await runtime.db.snapshot(lambda tx: store_history.get_answer(tx, owner, run.id))
    if problem := problem_of(ended):
        return object_response(to_run_error(problem), status_of(problem.code))
    return object_response(to_compaction(given.all_items, ended, message))
