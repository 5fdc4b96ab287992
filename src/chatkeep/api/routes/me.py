"""The caller: who they are, and the end of everything of theirs."""

from fastapi import APIRouter, Response

from chatkeep.api.deps import CallerDep, RuntimeDep
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.responses import json_response
from chatkeep.api.views import Me
from chatkeep.chat.people import DeletionReceipt
from chatkeep.runs.people import delete_everything
from chatkeep.sign_in.refusals import Forbidden, Unauthenticated

router = APIRouter(prefix="/api/me", tags=["people"])


@router.get("", responses={200: json_answer(Me), **error_answers(Unauthenticated)})
async def get_me(caller: CallerDep) -> Response:
    """Who you are to the service."""
    return json_response(Me(caller.user_id, caller.name, caller.role, caller.way, caller.scope, caller.expires_at))


@router.delete("", responses={200: json_answer(DeletionReceipt), **error_answers(Unauthenticated, Forbidden)})
async def delete_me(runtime: RuntimeDep, caller: CallerDep) -> Response:
    """Delete everything of yours: sessions, facts, tokens, and you. The answer counts it."""
    return json_response(await delete_everything(runtime, caller))
