"""The framing of Server-Sent Events (WHATWG HTML §9.2): entries to bytes. The only file that knows it.

LF framing; an `id` on every event of a log; no `event:` line, so that one `onmessage` serves all. A ping is a
comment and ONE newline: with a blank line, several clients would take it for an empty event.
"""

from collections.abc import Sequence

import msgspec

from chatkeep.api.views import SessionDeleted, SessionsChanged, SessionUpdated
from chatkeep.chat.events import Entry
from chatkeep.runs.follow import RunEvents, SessionChange

HEADERS = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
RETRY = b"retry: 1000\n"
"""Part of the first event of every response: after how many ms a client that lost the stream connects again."""
PING = b": ping\n"
_SESSIONS_CHANGED = b"data: %b\n\n" % msgspec.json.encode(SessionsChanged())


def run_frame(entries: Sequence[Entry]) -> bytes:
    """Return entries of a run's log as bytes of its stream."""
    return b"".join([b"id: %d\ndata: %b\n\n" % (entry.event.position, entry.json) for entry in entries])


def ends_run(entries: Sequence[Entry]) -> bool:
    """Return True if nothing of the run's log comes after `entries`."""
    return bool(entries) and entries[-1].event.is_last_of_run


def session_frame(session_id: str, item: RunEvents | SessionChange | None) -> bytes:
    """Return an item of a session's stream as bytes; none if a ping is due."""
    match item:
        case RunEvents(run, entries):
            return b"".join([_session_event(run.number, run.id, entry) for entry in entries])
        case SessionChange(session):
            change = SessionUpdated(session) if session else SessionDeleted(session_id)
            return b"data: %b\n\n" % msgspec.json.encode(change)
        case None:
            return b""


def sessions_frame(has_changed: bool) -> bytes:
    """Return an item of the feed of sessions as bytes; none if a ping is due."""
    return _SESSIONS_CHANGED if has_changed else b""


def _session_event(number: int, run_id: str, entry: Entry) -> bytes:
    """Return an entry with its place in the session: `id` is NUMBER.POSITION, and the event carries `run_id`."""
    return b'id: %d.%d\ndata: %b,"run_id":"%b"}\n\n' % (number, entry.event.position, entry.json[:-1], run_id.encode())
