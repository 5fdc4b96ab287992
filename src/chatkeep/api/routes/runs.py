"""Runs: reading one, following it from any position, cancelling it, and its prompt."""

from typing import Any

from fastapi import APIRouter, Response

from chatkeep.agent.turn_spec import recorded_params
from chatkeep.api.deps import OwnerId, OwnRun, Place, RuntimeDep
from chatkeep.api.openapi import EVENT_STREAM, error_answers, json_answer
from chatkeep.api.responses import json_response
from chatkeep.api.sse import ends_run, run_frame
from chatkeep.api.stream_server import EventStream
from chatkeep.api.views import PromptView
from chatkeep.chat.types import PromptSnapshot, Run, has_ended
from chatkeep.db import Transaction
from chatkeep.errors import BadPosition, EventsExpired, NotFound
from chatkeep.runs import cancel
from chatkeep.runs.follow import follow
from chatkeep.store import kept_logs
from chatkeep.store import prompts as store_prompts
from chatkeep.store import runs as store_runs

router = APIRouter(prefix="/api", tags=["runs"])


@router.get("/runs/{run_id}", responses={200: json_answer(Run), **error_answers(NotFound)})
async def get_run(run: OwnRun) -> Response:
    """A run."""
    return json_response(run)


@router.get(
    "/runs/{run_id}/events",
    responses={
        200: {"description": "The run's stream", "content": EVENT_STREAM},
        204: {"description": "Nothing comes after this position, and nothing will"},
        **error_answers(NotFound, BadPosition, EventsExpired),
    },
)
async def follow_run_events(runtime: RuntimeDep, run: OwnRun, place: Place) -> Response:
    """The events after a position, then those that come, until the run has ended."""
    position = _parse_position(place)
    if has_ended(run.status):
        if position >= run.position:
            return Response(status_code=204)
        if not await runtime.db.snapshot(lambda tx: kept_logs.has_log(tx, run.key)):
            raise EventsExpired("the run's events are no longer kept", message_id=run.message_id)
    elif position > run.position:
        raise BadPosition(f"the run has come to {run.position}, not to {position}")
    return EventStream(follow(runtime, run, position), run_frame, is_last=ends_run)


@router.post(
    "/runs/{run_id}/cancel", responses={200: json_answer(Run), 202: json_answer(Run), **error_answers(NotFound)}
)
async def cancel_run(runtime: RuntimeDep, owner: OwnerId, run: OwnRun) -> Response:
    """Stop a run; the text so far is kept. 202 when this stopped it, 200 when it had ended already."""
    ended = None if has_ended(run.status) else await cancel.cancel_run(runtime, run)
    if ended is not None:
        return json_response(ended, 202)
    return json_response(await runtime.db.snapshot(lambda tx: store_runs.get_run(tx, owner, run.id)))


@router.get("/runs/{run_id}/prompt", responses={200: json_answer(PromptView), **error_answers(NotFound)})
async def get_prompt(runtime: RuntimeDep, run: OwnRun) -> Response:
    """The prompt of this answer's model: the system prompt as rendered, and the functions on offer."""
    record, snapshot = await runtime.db.snapshot(lambda tx: _read_prompt(tx, run))
    params = recorded_params(record)
    view = PromptView(record["assistant"], record["prompt"], snapshot.prompt, snapshot.functions, params)
    return json_response(view)


async def _read_prompt(tx: Transaction, run: Run) -> tuple[dict[str, Any], PromptSnapshot]:
    record = await store_runs.get_request(tx, run.key)
    return record, await store_prompts.get_prompt(tx, run.session_id, record["prompt"])


def _parse_position(text: str | None) -> int:
    """Return the position that `text` names; 0 without one."""
    if text is None:
        return 0
    if not (text.isascii() and text.isdecimal()):
        raise BadPosition(f"not a position: {text[:40]!r}")
    return int(text.lstrip("0")[:18] or "0")  # no log is longer
