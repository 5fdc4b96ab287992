"""Cursors of the list of sessions: where a page ended, as an opaque text."""

import base64
import binascii
from datetime import datetime

from chatkeep import clock, ids
from chatkeep.chat.types import Session
from chatkeep.errors import InvalidRequest


def to_cursor(session: Session) -> str:
    """Return the cursor of what comes after `session`."""
    return cursor_at(session.updated_at, session.id)


def cursor_at(updated_at: str, session_id: str) -> str:
    """Return the cursor of what comes after a session."""
    return base64.urlsafe_b64encode(f"{updated_at} {session_id}".encode()).decode()


def parse_cursor(cursor: str) -> tuple[str, str]:
    """Return the (updated_at, id) of the session that a cursor names.

    Raises:
        InvalidRequest: it is no cursor of this list.
    """
    try:
        updated_at, session_id = base64.urlsafe_b64decode(cursor).decode("ascii").split(" ")
        datetime.strptime(updated_at, clock.FORMAT)  # noqa: DTZ007  # only whether it is a time
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("before: not a cursor of this list") from error
    if ids.parse(session_id) is None:
        raise InvalidRequest("before: not a cursor of this list")
    return updated_at, session_id
