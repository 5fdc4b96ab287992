"""The AI SDK's chat: `useChat` with its default transport, and what its resumable streams ask for."""

from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Path, Request, Response

from chatkeep.api.deps import IdempotencyKey, OwnerId, RuntimeDep
from chatkeep.api.dialects.bodies import read_body
from chatkeep.api.dialects.calls import Turn
from chatkeep.api.dialects.chats import find_open_run, read_history
from chatkeep.api.dialects.framing import dialect_stream
from chatkeep.api.dialects.ui_messages import to_ui_message
from chatkeep.api.dialects.ui_request import ChatBody
from chatkeep.api.dialects.ui_stream import HEADERS, UiMessageEncoder
from chatkeep.api.dialects.ui_turn import start_turn
from chatkeep.api.openapi import DIALECT_STREAM, TURN_ERRORS, error_answers, json_answer, json_body
from chatkeep.api.responses import json_response
from chatkeep.chat.types import Run, has_ended
from chatkeep.errors import NotFound
from chatkeep.runs import cancel

router = APIRouter(prefix="/api/chat", tags=["AI SDK"])

UI_MESSAGES: dict[str, Any] = {
    "description": "`UIMessage`s",
    "content": {"application/json": {"schema": {"type": "array", "items": {}}}},
}
ChatId: TypeAlias = Annotated[str, Path(description="A chat's id, as the client chose it: any text")]


@router.post(
    "",
    openapi_extra=json_body("The history and the new message, as `DefaultChatTransport` sends them", "id"),
    responses={200: {"description": "A UI message stream", "content": DIALECT_STREAM}, **TURN_ERRORS},
)
async def chat(
    request: Request, runtime: RuntimeDep, owner: OwnerId, idempotency_key: IdempotencyKey = None
) -> Response:
    """Send a message, answer one again, or give outputs of calls. The answer goes on being made if you leave."""
    body = await read_body(request, ChatBody)
    turn = await start_turn(runtime, owner, body, idempotency_key)
    return dialect_stream(runtime, turn, UiMessageEncoder(turn.begun), HEADERS)


@router.get(
    "/{chat_id:path}/stream",
    responses={
        200: {"description": "The open answer from its beginning", "content": DIALECT_STREAM},
        204: {"description": "Nothing runs here"},
        **error_answers(NotFound),
    },
)
async def resume(runtime: RuntimeDep, owner: OwnerId, chat_id: ChatId) -> Response:
    """The open answer, from its beginning; 204 if there is none, or no such chat."""
    run = await find_open_run(runtime, owner, chat_id)
    if run is None:
        return Response(status_code=204)
    return dialect_stream(runtime, Turn(run), UiMessageEncoder(), HEADERS)


@router.post(
    "/{chat_id:path}/stop",
    status_code=202,
    responses={202: json_answer(Run), 204: {"description": "Nothing ran"}, **error_answers(NotFound)},
)
async def stop(runtime: RuntimeDep, owner: OwnerId, chat_id: ChatId) -> Response:
    """Stop the open answer; the text so far is kept. 204 if there is none, or no such chat."""
    run = await find_open_run(runtime, owner, chat_id)
    ended = await cancel.cancel_run(runtime, run) if run else None
    return json_response(ended, 202) if ended else Response(status_code=204)


@router.get("/{chat_id:path}/messages", responses={200: UI_MESSAGES, **error_answers(NotFound)})
async def list_messages(runtime: RuntimeDep, owner: OwnerId, chat_id: ChatId) -> Response:
    """The history for `messages` of `useChat`, without the open answer: `resume` brings that one."""
    history = await read_history(runtime, owner, chat_id)
    shown = [each for each in history.messages if has_ended(each.status)] if history else []
    return json_response([to_ui_message(each, history.runs, runtime.settings) for each in shown] if history else [])
