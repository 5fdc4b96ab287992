"""Dependencies of the routes, as named types. Resources are loaded through their owner: not yours is not there.

All of them are `async`, also those that await nothing: FastAPI runs a plain `def` in a thread.
"""

from typing import Annotated, TypeAlias

from fastapi import Depends, Header, Path, Query, Request

from chatkeep import ids
from chatkeep.api.identity import CALLER
from chatkeep.chat.people import Caller
from chatkeep.chat.types import Run, Session
from chatkeep.errors import InvalidRequest, NotFound
from chatkeep.runs.runtime import Runtime
from chatkeep.sign_in.refusals import Forbidden
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions


async def get_runtime(request: Request) -> Runtime:
    """Return the runtime of this process."""
    return request.app.state.runtime


async def get_caller(request: Request) -> Caller:
    """Return who makes the request."""
    return request.scope[CALLER]


CallerDep: TypeAlias = Annotated[Caller, Depends(get_caller)]


async def get_owner(request: Request) -> str:
    """Return the owner that makes the request: a user's id."""
    return request.scope[CALLER].user_id  # not by `get_caller`: a dependency of a dependency costs each request more


async def get_admin(caller: CallerDep) -> Caller:
    """Return the admin who makes the request.

    Raises:
        Forbidden: it is no admin.
    """
    if caller.role != "admin":
        raise Forbidden("this is for admins")
    return caller


AdminDep: TypeAlias = Annotated[Caller, Depends(get_admin)]
RuntimeDep: TypeAlias = Annotated[Runtime, Depends(get_runtime)]
OwnerId: TypeAlias = Annotated[str, Depends(get_owner)]


async def parse_session_id(session_id: Annotated[str, Path(description="A session's id")]) -> str:
    """Return the session id of the path in canonical form.

    Raises:
        NotFound: it is no UUID, so there is no such session.
    """
    return _parse_id(session_id, "session")


SessionId: TypeAlias = Annotated[str, Depends(parse_session_id)]


async def get_own_session(runtime: RuntimeDep, owner: OwnerId, session_id: SessionId) -> Session:
    """Return the owner's session of the path."""
    return await runtime.db.snapshot(lambda tx: store_sessions.get_session(tx, owner, session_id))


async def get_own_run(
    runtime: RuntimeDep, owner: OwnerId, run_id: Annotated[str, Path(description="A run's id")]
) -> Run:
    """Return the owner's run of the path."""
    canonical = _parse_id(run_id, "run")
    return await runtime.db.snapshot(lambda tx: store_runs.get_run(tx, owner, canonical))


async def parse_message_id(message_id: Annotated[str, Path(description="A message's id")]) -> str:
    """Return the message id of the path in canonical form; see `parse_session_id`."""
    return _parse_id(message_id, "message")


async def get_place(
    after: Annotated[str | None, Query(description="A place in the log; absent: see docs/events.md")] = None,
    last_event_id: Annotated[str | None, Header(description="As `after`; an EventSource sends it by itself")] = None,
    last_event_id_of_query: Annotated[
        str | None, Query(alias="lastEventId", description="The same, as stand-ins for EventSource send it")
    ] = None,
) -> str | None:
    """Return from where on a stream is read; None if the client does not say.

    What an EventSource adds comes first: `after` is still in its address when it connects again. An empty id is none
    (WHATWG HTML §9.2.4).
    """
    return last_event_id or last_event_id_of_query or after


Place: TypeAlias = Annotated[str | None, Depends(get_place)]

# scope="function": no dependency holds anything while a stream is open.
OwnSession: TypeAlias = Annotated[Session, Depends(get_own_session, scope="function")]
OwnRun: TypeAlias = Annotated[Run, Depends(get_own_run, scope="function")]
MessageId: TypeAlias = Annotated[str, Depends(parse_message_id)]
IdempotencyKey: TypeAlias = Annotated[
    str | None,
    Header(
        pattern=r"^[A-Za-z0-9:_-]{1,128}$",
        description="Makes this request safe to repeat: the same key and request give the same run.",
    ),
]


def parse_cursor(text: str | None, default: str, name: str) -> str:
    """Return the id at which a page of a list begins; `default` for the first page. `name` is the parameter's.

    Raises:
        InvalidRequest: it is no id.
    """
    if text is None:
        return default
    if (canonical := ids.parse(text)) is None:
        raise InvalidRequest(f"{name}: not an id")
    return canonical


def _parse_id(text: str, noun: str) -> str:
    if (canonical := ids.parse(text)) is None:
        raise NotFound(f"no {noun} {text}")
    return canonical
