"""Users, for admins. No route here, and none elsewhere, lets an admin read chats."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from msgspec.structs import asdict

from chatkeep import ids
from chatkeep.api.deps import AdminDep, RuntimeDep, parse_cursor
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.requests import JsonRoute, UserChange
from chatkeep.api.responses import json_response
from chatkeep.api.views import AuditPage, UserPage, UserView
from chatkeep.chat.limits import NO_LIMITS
from chatkeep.chat.people import LOCAL_USER, User
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest, NotFound
from chatkeep.runs import people
from chatkeep.store import audit as store_audit
from chatkeep.store import limits as store_limits
from chatkeep.store import users as store_users

router = APIRouter(prefix="/api/admin", tags=["admin"], route_class=JsonRoute)

Limit = Annotated[int, Query(ge=1, le=100)]


@router.get("/users", responses={200: json_answer(UserPage), **error_answers()})
async def list_users(
    runtime: RuntimeDep,
    admin: AdminDep,
    limit: Limit = 20,
    after: Annotated[str | None, Query(description="`next` of the page before this one: a user's id")] = None,
) -> Response:
    """All users, those who came first at the beginning."""
    del admin
    after_id = after if after == LOCAL_USER else parse_cursor(after, "", "after")
    found = await runtime.db.snapshot(lambda tx: store_users.list_users(tx, limit + 1, after_id))
    page = await runtime.db.snapshot(lambda tx: _add_limits(tx, found[:limit]))
    return json_response(UserPage(page, page[-1].id if len(found) > limit else None))


async def _add_limits(tx: Transaction, users: Sequence[User]) -> list[UserView]:
    limits = await store_limits.list_own(tx, users[0].id, users[-1].id) if users else {}
    return [UserView(**asdict(user), limits=limits.get(user.id, NO_LIMITS)) for user in users]


@router.patch("/users/{user_id}", responses={200: json_answer(UserView), **error_answers(NotFound)})
async def change_user(
    runtime: RuntimeDep, admin: AdminDep, user_id: Annotated[str, Path(description="A user's id")], body: UserChange
) -> Response:
    """Give a user a role or limits, disable them, or enable them again.

    A disabled user's streams end within a second.
    """
    if (canonical := user_id if user_id == LOCAL_USER else ids.parse(user_id)) is None:
        raise NotFound(f"no user {user_id}")
    if canonical == admin.user_id:
        raise InvalidRequest("admins do not change themselves: another admin can, or the command line")
    user = await people.change_user(
        runtime.db,
        canonical,
        role=body.role,
        disabled=body.disabled,
        limits=body.limits.model_dump(exclude_unset=True) if body.limits else {},
        actor=admin.user_id,
        peer=admin.peer,
    )
    runtime.notifier.notify(people.TOPIC, everywhere=True)
    (shown,) = await runtime.db.snapshot(lambda tx: _add_limits(tx, [user]))
    return json_response(shown)


@router.get("/audit", responses={200: json_answer(AuditPage), **error_answers()})
async def list_audit(
    runtime: RuntimeDep,
    admin: AdminDep,
    limit: Limit = 20,
    before: Annotated[str | None, Query(description="`next` of the page before this one: an entry's id")] = None,
) -> Response:
    """Who did what about users and tokens, newest first. Never content."""
    del admin
    before_id = parse_cursor(before, ids.LARGEST, "before")
    found = await runtime.db.snapshot(lambda tx: store_audit.list_entries(tx, limit + 1, before_id))
    page = found[:limit]
    return json_response(AuditPage(page, page[-1].id if len(found) > limit else None))
