"""The caller: who they are, and the end of everything of theirs."""

from fastapi import APIRouter, Response

from chatkeep.api.deps import CallerDep, RuntimeDep
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.responses import json_response
from chatkeep.api.views import Me
from chatkeep.chat.limits import Limits, Used
from chatkeep.chat.people import DeletionReceipt
from chatkeep.db import Transaction
from chatkeep.runs.people import delete_everything
from chatkeep.runs.quota import read_used
from chatkeep.sign_in.refusals import Forbidden, Unauthenticated
from chatkeep.store import limits as store_limits

router = APIRouter(prefix="/api/me", tags=["people"])


@router.get("", responses={200: json_answer(Me), **error_answers(Unauthenticated)})
async def get_me(runtime: RuntimeDep, caller: CallerDep) -> Response:
    """Who you are to the service, your limits, and what you have used of them."""
    defaults = runtime.settings.user_limits
    limits, used = await runtime.db.snapshot(lambda tx: _read_limits(tx, caller.user_id, defaults))
    who = (caller.user_id, caller.name, caller.role, caller.way, caller.scope, caller.expires_at)
    return json_response(Me(*who, limits, used))


async def _read_limits(tx: Transaction, owner: str, defaults: Limits) -> tuple[Limits, Used]:
    limits = (await store_limits.find_own(tx, owner)).or_else(defaults)
    return limits, await read_used(tx, owner, limits)


@router.delete("", responses={200: json_answer(DeletionReceipt), **error_answers(Unauthenticated, Forbidden)})
async def delete_me(runtime: RuntimeDep, caller: CallerDep) -> Response:
    """Delete everything of yours: sessions, facts, tokens, and you. The answer counts it."""
    return json_response(await delete_everything(runtime, caller))
