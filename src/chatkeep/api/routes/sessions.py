"""Sessions: making, listing, changing and deleting them."""

from collections.abc import Collection
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from msgspec.structs import replace

from chatkeep import ids
from chatkeep.api.cursors import parse_cursor, to_cursor
from chatkeep.api.deps import OwnerId, OwnSession, RuntimeDep
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.requests import JsonRoute, NewSession, SessionChange, SessionOptions
from chatkeep.api.responses import json_response
from chatkeep.api.views import SessionPage
from chatkeep.chat.types import Session
from chatkeep.db import Transaction
from chatkeep.errors import IdTaken, InvalidRequest, ModelNotAllowed, NotFound, SessionBusy
from chatkeep.runs import cancel
from chatkeep.runs.runtime import Runtime
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions

router = APIRouter(prefix="/api/sessions", tags=["sessions"], route_class=JsonRoute)


@router.post(
    "",
    status_code=201,
    responses={201: json_answer(Session), 200: json_answer(Session), **error_answers(IdTaken, ModelNotAllowed)},
)
async def create_session(runtime: RuntimeDep, owner: OwnerId, body: NewSession | None = None) -> Response:
    """Make a session. With an `id` of the client's own it is safe to repeat."""
    session, is_new = await open_session(runtime, owner, body or NewSession())
    return json_response(session, 201 if is_new else 200, {"location": f"/api/sessions/{session.id}"})


async def open_session(runtime: Runtime, owner: str, request: NewSession) -> tuple[Session, bool]:
    """Return the session that `request` asks for: a new one (True), or the owner's that has this id already.

    Raises:
        IdTaken: the id belongs to another owner.
        InvalidRequest, ModelNotAllowed: there is no such assistant or model.
    """
    assistant = runtime.get_assistant(request.assistant or runtime.settings.assistant)
    if request.model:
        runtime.check_model(request.model, "model: ")
    _check_instructions(assistant.name, request.instructions, {assistant.name} if assistant.instructions else ())

    async def write(tx: Transaction) -> tuple[Session, bool]:
        session = _new_session(request, assistant.name, await tx.now())
        while not await store_sessions.add_session(tx, owner, session):
            if existing := await store_sessions.find_session(tx, owner, session.id):
                return existing, False
            if request.id:
                raise IdTaken("this id belongs to another session")
            session = replace(session, id=ids.new())  # by chance the last one had the key of another
        return session, True

    session, is_new = await runtime.db.transaction(write)
    if is_new:
        runtime.notify_session(session.id, owner)
    return session, is_new


@router.get("", responses={200: json_answer(SessionPage), **error_answers()})
async def list_sessions(
    runtime: RuntimeDep,
    owner: OwnerId,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[str | None, Query(description="`next` of the page before this one")] = None,
) -> Response:
    """Sessions, most recently used first."""
    cursor = parse_cursor(before) if before is not None else None
    found = await runtime.db.snapshot(lambda tx: store_sessions.list_sessions(tx, owner, limit + 1, cursor))
    page = found[:limit]
    return json_response(SessionPage(page, to_cursor(page[-1]) if len(found) > limit else None))


@router.get("/{session_id}", responses={200: json_answer(Session), **error_answers(NotFound)})
async def get_session(session: OwnSession) -> Response:
    """A session."""
    return json_response(session)


@router.patch(
    "/{session_id}", responses={200: json_answer(Session), **error_answers(NotFound, SessionBusy, ModelNotAllowed)}
)
async def change_session(runtime: RuntimeDep, owner: OwnerId, session: OwnSession, body: SessionChange) -> Response:
    """Change a session; `head_id` switches the active branch."""
    changes = _changes(runtime, body)
    takers = {each.name for each in runtime.assistants.all() if each.instructions}

    async def write(tx: Transaction) -> Session:
        if not changes:
            return await store_sessions.get_session(tx, owner, session.id)
        await store_sessions.lock(tx, session.id)  # what is read is written back
        current = await store_sessions.get_session(tx, owner, session.id)
        if head_id := changes.get("head_id"):
            await _check_head(tx, session.id, head_id)
        changed = replace(current, **changes)
        if "instructions" in changes or "assistant" in changes:
            _check_instructions(changed.assistant, changed.instructions, takers)
        await store_sessions.change_session(tx, owner, changed)
        return changed

    changed = await runtime.db.transaction(write)
    runtime.notify_session(session.id, owner)
    return json_response(changed)


@router.delete("/{session_id}", status_code=204, responses=error_answers(NotFound))
async def delete_session(runtime: RuntimeDep, owner: OwnerId, session: OwnSession) -> Response:
    """Delete a session and everything of it. A run that is open is cancelled, and its readers are told."""
    await cancel.delete_session(runtime, owner, session.id)
    return Response(status_code=204)


def _new_session(request: NewSession, assistant: str, now: str) -> Session:
    return Session(
        id=request.id or ids.new(),
        title=request.title,
        assistant=assistant,
        model=request.model,
        metadata=request.metadata or {},
        params=_params(request),
        instructions=request.instructions,
        status="idle",
        head_id=None,
        message_count=0,
        created_at=now,
        updated_at=now,
        temporary=request.temporary,
    )


def _changes(runtime: Runtime, body: SessionChange) -> dict[str, Any]:
    changes = body.model_dump(exclude_unset=True)
    if "assistant" in changes:
        changes["assistant"] = changes["assistant"] or runtime.settings.assistant
        runtime.get_assistant(changes["assistant"])
    if changes.get("model"):
        runtime.check_model(changes["model"], "model: ")
    if "metadata" in changes:
        changes["metadata"] = changes["metadata"] or {}
    if "params" in changes:
        changes["params"] = _params(body)
    if "head_id" in changes and changes["head_id"] is None:
        raise InvalidRequest("head_id: a message of this session, not null")
    return changes


def _params(body: SessionOptions) -> dict[str, Any]:
    return body.params.model_dump(exclude_unset=True) if body.params else {}


def _check_instructions(assistant: str, instructions: str | None, takers: Collection[str]) -> None:
    """Refuse instructions for an assistant that is not among `takers`, which take some."""
    if instructions is not None and assistant not in takers:
        raise InvalidRequest(f"instructions: the assistant {assistant!r} takes none")


async def _check_head(tx: Transaction, session_id: str, head_id: str) -> None:
    if run := await store_runs.find_open(tx, session_id):
        raise SessionBusy("an answer is being made in this session", run_id=run.id)
    if await store_messages.find_in_session(tx, session_id, head_id) is None:
        raise InvalidRequest("head_id: not a message of this session")
