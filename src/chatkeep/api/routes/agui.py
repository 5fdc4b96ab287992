"""AG-UI: a thread is a chat of the client (`dialects/chats.py`), a run one stream of an answer."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from chatkeep.api.deps import OwnerId, RuntimeDep
from chatkeep.api.dialects.agui_messages import to_agui_messages
from chatkeep.api.dialects.agui_request import RunAgentInput, start_turn
from chatkeep.api.dialects.agui_stream import AguiEncoder
from chatkeep.api.dialects.bodies import read_body
from chatkeep.api.dialects.chats import read_history
from chatkeep.api.dialects.framing import data_frame, dialect_stream
from chatkeep.api.openapi import DIALECT_STREAM, TURN_ERRORS, error_answers, json_body
from chatkeep.api.sse import HEADERS
from chatkeep.runs.runtime import Runtime

router = APIRouter(prefix="/agui", tags=["AG-UI"])

_BODY = json_body("A `RunAgentInput`", "threadId", "runId", "messages")
_ANSWERS = {200: {"description": "A run's events", "content": DIALECT_STREAM}, **TURN_ERRORS}


@router.post("", openapi_extra=_BODY, responses=_ANSWERS)
async def run(request: Request, runtime: RuntimeDep, owner: OwnerId) -> Response:
    """Send a message, or outputs of calls. The answer goes on being made if you leave."""
    return await _run(request, runtime, owner, None)


@router.post("/{assistant}", openapi_extra=_BODY, responses=_ANSWERS)
async def run_assistant(
    request: Request,
    runtime: RuntimeDep,
    owner: OwnerId,
    assistant: Annotated[str, Path(description="The assistant of a thread that is new")],
) -> Response:
    """The same, with another assistant than the default one."""
    return await _run(request, runtime, owner, assistant)


@router.get(
    "/threads/{thread_id:path}/messages",
    responses={200: {"description": "One event, MESSAGES_SNAPSHOT", "content": DIALECT_STREAM}, **error_answers()},
)
async def list_messages(
    runtime: RuntimeDep, owner: OwnerId, thread_id: Annotated[str, Path(description="A thread's id")]
) -> Response:
    """The history as one event; without messages for an unknown thread."""
    history = await read_history(runtime, owner, thread_id)
    messages = to_agui_messages(history.messages, runtime.settings) if history else []
    return Response(data_frame({"type": "MESSAGES_SNAPSHOT", "messages": messages}), 200, dict(HEADERS))


async def _run(request: Request, runtime: Runtime, owner: str, assistant: str | None) -> Response:
    body = await read_body(request, RunAgentInput)
    turn = await start_turn(runtime, owner, body, assistant)
    encoder = AguiEncoder(body.thread_id, body.run_id, turn.begun)
    return dialect_stream(runtime, turn, encoder, {})
