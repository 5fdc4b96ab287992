"""Who asks, and for what: dependencies that load through the owner, so that not yours is not there.

All of them are `async`, those that wait for nothing too: FastAPI runs a plain `def` in a thread of its own.
"""

from typing import Annotated, TypeAlias

from fastapi import Depends, Header, Path, Request

from chatkeep import ids
from chatkeep.chat.types import Run, Session
from chatkeep.errors import NotFound
from chatkeep.runs.runtime import Runtime
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions

OWNER = "local"
"""Whose everything is, as long as there is no authentication."""


async def get_runtime(request: Request) -> Runtime:
    """The worker of this process."""
    return request.app.state.runtime


async def get_owner() -> str:
    """Who asks."""
    return OWNER


RuntimeDep: TypeAlias = Annotated[Runtime, Depends(get_runtime)]
OwnerId: TypeAlias = Annotated[str, Depends(get_owner)]


async def known_session_id(session_id: Annotated[str, Path(description="A session's id")]) -> str:
    """The session id of the path, if it can be one."""
    return _known(session_id, "session")


SessionId: TypeAlias = Annotated[str, Depends(known_session_id)]


async def own_session(runtime: RuntimeDep, owner: OwnerId, session_id: SessionId) -> Session:
    """The session of the path."""
    return await runtime.db.snapshot(lambda tx: store_sessions.get_session(tx, owner, session_id))


async def own_run(runtime: RuntimeDep, owner: OwnerId, run_id: Annotated[str, Path(description="A run's id")]) -> Run:
    """The run of the path."""
    known = _known(run_id, "run")
    return await runtime.db.snapshot(lambda tx: store_runs.get_run(tx, owner, known))


async def known_message_id(message_id: Annotated[str, Path(description="A message's id")]) -> str:
    """The message id of the path, if it can be one."""
    return _known(message_id, "message")


KEY = r"^[A-Za-z0-9:_-]{1,128}$"
"""What an idempotency key is made of."""

# scope="function": nothing a dependency holds stays held while a stream is open.
OwnSession: TypeAlias = Annotated[Session, Depends(own_session, scope="function")]
OwnRun: TypeAlias = Annotated[Run, Depends(own_run, scope="function")]
MessageId: TypeAlias = Annotated[str, Depends(known_message_id)]
IdempotencyKey: TypeAlias = Annotated[
    str | None,
    Header(pattern=KEY, description="Makes this request safe to repeat: the same key and request give the same run."),
]


def _known(text: str, noun: str) -> str:
    if (known := ids.parse(text)) is None:
        raise NotFound(f"no {noun} {text}")
    return known
