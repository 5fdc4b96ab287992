"""The feed of an owner's sessions. It says that their list may have changed, never what: the client reads it again.

A notification makes it fast. Where one was lost, the newest sessions are compared each time the feed would be silent.
"""

import asyncio
from collections.abc import AsyncGenerator

from chatkeep.runs.runtime import Runtime, sessions_topic
from chatkeep.store import sessions as store_sessions

GATHER_SECONDS = 0.5
"""Changes within this time are one event."""
_COMPARED_SESSIONS = 20


async def follow_sessions(runtime: Runtime, owner: str) -> AsyncGenerator[bool]:
    """Yield True when the owner's list of sessions may have changed, and at first; False when a ping is due.

    Ends when the service drains: the reader comes back.
    """
    with runtime.notifier.subscribe(sessions_topic(owner)) as subscription:
        is_notified, known = True, None
        while not runtime.is_draining:
            newest = await runtime.db.snapshot(
                lambda tx: store_sessions.list_sessions(tx, owner, _COMPARED_SESSIONS, None)
            )
            yield is_notified or newest != known
            known = newest
            is_notified = await subscription.wait(runtime.settings.ping_interval)
            if is_notified and not runtime.is_draining:
                await asyncio.sleep(GATHER_SECONDS)
