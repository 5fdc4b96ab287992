"""An owner's memory: facts, listed and deleted; and a search through messages."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from chatkeep import ids
from chatkeep.api.cursors import cursor_at, parse_cursor
from chatkeep.api.deps import OwnerId, RuntimeDep
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.responses import json_response
from chatkeep.api.views import FactPage, SearchResultPage
from chatkeep.chat.types import Role
from chatkeep.errors import InvalidRequest, NotFound
from chatkeep.store import facts as store_facts
from chatkeep.toolbox.search import SearchScope, search

router = APIRouter(prefix="/api", tags=["memory"])


@router.get("/facts", responses={200: json_answer(FactPage), **error_answers()})
async def list_facts(
    runtime: RuntimeDep,
    owner: OwnerId,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[str | None, Query(description="`next` of the page before this one: a fact's id")] = None,
) -> Response:
    """The facts that you asked to be remembered, newest first."""
    before_id = ids.parse(before) if before is not None else None
    if before is not None and before_id is None:
        raise InvalidRequest("before: not a fact's id")
    found = await runtime.db.snapshot(lambda tx: store_facts.list_facts(tx, owner, limit + 1, before_id))
    page = found[:limit]
    return json_response(FactPage(page, page[-1].id if len(found) > limit else None))


@router.delete("/facts/{fact_id}", status_code=204, responses=error_answers(NotFound))
async def delete_fact(
    runtime: RuntimeDep, owner: OwnerId, fact_id: Annotated[str, Path(description="A fact's id")]
) -> Response:
    """Forget a fact."""
    canonical = ids.parse(fact_id)
    if canonical is None or not await runtime.db.transaction(lambda tx: store_facts.delete_fact(tx, owner, canonical)):
        raise NotFound(f"no fact {fact_id}")
    return Response(status_code=204)


@router.get("/search", responses={200: json_answer(SearchResultPage), **error_answers(NotFound)})
async def search_messages(
    runtime: RuntimeDep,
    owner: OwnerId,
    q: Annotated[str, Query(min_length=1, max_length=200, description="Words that a message must all have, or more")],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[str | None, Query(description="`next` of the page before this one")] = None,
    per_session: Annotated[int | None, Query(ge=1, le=100, description="absent: as many as there are")] = None,
    session_id: Annotated[str | None, Query(description="Search this session alone")] = None,
    session: Annotated[str | None, Query(deprecated=True, description="The former name of `session_id`")] = None,
    role: Annotated[Role | None, Query(description="Messages of the user, or of the assistant")] = None,
) -> Response:
    """Find messages by their words, in the most recently used sessions first; and sessions by their title."""
    given = session_id if session_id is not None else session
    canonical = ids.parse(given) if given is not None else None
    if given is not None and canonical is None:
        raise NotFound(f"no session {given}")
    scope = SearchScope(canonical, parse_cursor(before) if before is not None else None, per_session, role)
    found = await search(runtime.db, owner, q, limit, scope)
    cursor = cursor_at(*found.last) if found.last else None
    return json_response(SearchResultPage(list(found.results), list(found.sessions), cursor))
