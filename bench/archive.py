"""Databases with a past: what a service finds that has been in use for long."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from chatkeep import clock, ids
from chatkeep.chat.types import Message, Session, TextPart
from chatkeep.db import Database, Transaction
from chatkeep.db.migrate import known, migrate
from chatkeep.db.sqlite import Sqlite
from chatkeep.store import messages as store_messages
from chatkeep.store import sessions as store_sessions

OWNER = "local"
"""To whom everything belongs where no token says otherwise."""
SAID = "The chicken crossed the road because the road was there, and so was the other side of it. "


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[Database]:
    """The database in a SQLite file, made if it is not there."""
    db = Sqlite(path)
    try:
        await migrate(db, known(db.engine))
        yield db
    finally:
        await db.close()


async def add_session(tx: Transaction, length: int, text: str = SAID) -> str:
    """A session of so many messages, user and assistant in turn, each an answer to the one before; its id."""
    now = clock.now()
    session = Session(ids.new(), "Of old", "default", None, {}, "idle", None, 0, now, now)
    await store_sessions.add_session(tx, OWNER, session)
    parent: str | None = None
    for seq in range(1, length + 1):
        role = "user" if seq % 2 else "assistant"
        message = Message(ids.new(), session.id, parent, seq, role, (TextPart(text),), None, "completed", now)
        await store_messages.add_message(tx, message)
        parent = message.id
    if parent is not None:
        await store_sessions.reserve(tx, OWNER, session.id, length)
        await store_sessions.set_head(tx, session.id, parent)
    return session.id
