"""A session's stream: all of its runs, one after the other, from any place on. And the feed of all sessions."""

import re
from functools import partial

from fastapi import APIRouter, Response

from chatkeep.api.deps import OwnerId, Place, RuntimeDep, SessionId
from chatkeep.api.openapi import SESSION_STREAM, SESSIONS_FEED, error_answers
from chatkeep.api.sse import session_frame, sessions_frame
from chatkeep.api.stream_server import EventStream
from chatkeep.chat.types import Session
from chatkeep.db import Transaction
from chatkeep.errors import BadPosition, EventsExpired, NotFound
from chatkeep.runs.follow import check_retention, follow_session
from chatkeep.runs.session_feed import follow_sessions
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions

router = APIRouter(prefix="/api", tags=["sessions"])


@router.get(
    "/events",
    responses={200: {"description": "The feed of your sessions", "content": SESSIONS_FEED}, **error_answers()},
)
async def follow_all_sessions(runtime: RuntimeDep, owner: OwnerId) -> Response:
    """An event at once, and each time that the list of your sessions may have changed: read it again."""
    return EventStream(follow_sessions(runtime, owner), sessions_frame)


@router.get(
    "/sessions/{session_id}/events",
    responses={
        200: {"description": "The session's live stream", "content": SESSION_STREAM},
        **error_answers(NotFound, BadPosition, EventsExpired),
    },
)
async def follow_session_events(runtime: RuntimeDep, owner: OwnerId, session_id: SessionId, place: Place) -> Response:
    """All runs of the session, one after the other, whichever client starts them, for as long as you stay."""

    async def read(tx: Transaction) -> tuple[Session, int, int]:
        session = await store_sessions.get_session(tx, owner, session_id)
        last = await store_runs.find_last(tx, session_id)
        end = (last.number, last.position) if last else (0, 0)
        if place is None:
            return session, end[0], end[1]
        number, position = _parse_place(place)
        if (number, position) > end:
            raise BadPosition(f"the session has come to {end[0]}.{end[1]}, not to {place}")
        await check_retention(tx, session_id, number, position)
        return session, number, position

    session, number, position = await runtime.db.snapshot(read)
    events = follow_session(runtime, owner, session, number, position)
    return EventStream(events, partial(session_frame, session_id))


def _parse_place(text: str) -> tuple[int, int]:
    if not (match := re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,18})", text)):
        raise BadPosition(f"not of the form NUMBER.POSITION: {text[:40]!r}")
    return int(match[1]), int(match[2])
