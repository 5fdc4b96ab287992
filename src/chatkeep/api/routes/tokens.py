"""A user's own tokens, for scripts. The secret is shown once."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from chatkeep import ids
from chatkeep.api.deps import CallerDep, RuntimeDep, parse_cursor
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.requests import JsonRoute, NewTokenRequest
from chatkeep.api.responses import json_response
from chatkeep.api.views import NewTokenView, TokenPage
from chatkeep.errors import NotFound
from chatkeep.runs import people
from chatkeep.store import tokens as store_tokens

router = APIRouter(prefix="/api/tokens", tags=["people"], route_class=JsonRoute)


@router.get("", responses={200: json_answer(TokenPage), **error_answers()})
async def list_tokens(
    runtime: RuntimeDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[str | None, Query(description="`next` of the page before this one: a token's id")] = None,
) -> Response:
    """Your tokens, newest first, without their secrets."""
    before_id = parse_cursor(before, ids.LARGEST, "before")
    found = await runtime.db.snapshot(lambda tx: store_tokens.list_tokens(tx, caller.user_id, limit + 1, before_id))
    page = found[:limit]
    return json_response(TokenPage(page, page[-1].id if len(found) > limit else None))


@router.post("", status_code=201, responses={201: json_answer(NewTokenView), **error_answers()})
async def create_token(runtime: RuntimeDep, caller: CallerDep, body: NewTokenRequest) -> Response:
    """Make a token. Its text is in this answer and nowhere else."""
    token, text = await people.create_token(
        runtime.db, caller.user_id, body.name, body.scope, body.days, actor=caller.user_id, peer=caller.peer
    )
    return json_response(NewTokenView(token, text), 201)


@router.delete("/{token_id}", status_code=204, responses=error_answers(NotFound))
async def revoke_token(
    runtime: RuntimeDep, caller: CallerDep, token_id: Annotated[str, Path(description="A token's id")]
) -> Response:
    """Revoke a token. Streams that were opened with it end within a second."""
    canonical = ids.parse(token_id)
    if canonical is None or not await people.revoke_token(
        runtime.db, caller.user_id, canonical, actor=caller.user_id, peer=caller.peer
    ):
        raise NotFound(f"no token {token_id} that could be revoked")
    runtime.notifier.notify(people.TOPIC, everywhere=True)
    return Response(status_code=204)
