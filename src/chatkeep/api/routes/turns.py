"""Turns: sending a message, answering one again, and giving the outputs that a run waits for."""

from fastapi import APIRouter, Response

from chatkeep.api.deps import IdempotencyKey, OwnerId, OwnRun, RuntimeDep, SessionId
from chatkeep.api.openapi import EVENT_STREAM, TURN_ERRORS, error_answers, json_answer
from chatkeep.api.requests import JsonRoute, ToolOutputs
from chatkeep.api.responses import RequestedForm, json_response, run_response
from chatkeep.api.views import RunAnswer
from chatkeep.chat.types import Run
from chatkeep.errors import CallNotWaiting, NotFound, ShuttingDown, TooManyRuns
from chatkeep.runs.request import NewMessage, NewRun
from chatkeep.runs.start import start_run
from chatkeep.runs.tool_outputs import add_outputs

router = APIRouter(prefix="/api", route_class=JsonRoute)

TURN_ANSWERS = {200: json_answer(RunAnswer, content=EVENT_STREAM), 202: json_answer(RunAnswer), **TURN_ERRORS}
"""The answers to a request that starts a run (docs/http-api.md)."""


@router.post("/sessions/{session_id}/messages", tags=["messages"], responses=TURN_ANSWERS)
async def send_message(
    runtime: RuntimeDep,
    owner: OwnerId,
    session_id: SessionId,
    body: NewMessage,
    form: RequestedForm,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Say something, and get the answer as it is made. The answer goes on being made if you leave."""
    run = await start_run(runtime, owner, session_id, body, idempotency_key)
    return await run_response(runtime, owner, run, form)


@router.post("/sessions/{session_id}/runs", tags=["runs"], responses=TURN_ANSWERS)
async def answer_again(
    runtime: RuntimeDep,
    owner: OwnerId,
    session_id: SessionId,
    body: NewRun,
    form: RequestedForm,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answer a user message once more: regenerate, or retry after a failure. The new answer becomes the head."""
    run = await start_run(runtime, owner, session_id, body, idempotency_key)
    return await run_response(runtime, owner, run, form)


@router.post(
    "/runs/{run_id}/tool-outputs",
    tags=["runs"],
    responses={
        200: json_answer(RunAnswer, content=EVENT_STREAM),
        202: json_answer(Run),
        **error_answers(NotFound, CallNotWaiting, TooManyRuns, ShuttingDown),
    },
)
async def answer_calls(
    runtime: RuntimeDep, owner: OwnerId, run: OwnRun, body: ToolOutputs, form: RequestedForm
) -> Response:
    """Answer calls that wait for the client. With the last one the run goes on, and this is answered like a message."""
    answered = await add_outputs(runtime, owner, run, body.to_results())
    if answered.run.status == "requires_action":
        return json_response(answered.run, 202)
    return await run_response(runtime, owner, answered.run, form, answered.waiting_position)
