"""Makes databases with many messages, as a service has them after years of use."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from chatkeep import clock, ids
from chatkeep.chat.types import FilePart, Message, Session, TextPart
from chatkeep.db import Database, Transaction
from chatkeep.db.migrate import load_migrations, migrate
from chatkeep.db.sqlite import Sqlite
from chatkeep.store import message_files
from chatkeep.store import messages as store_messages
from chatkeep.store import sessions as store_sessions

OWNER = "local"
"""The owner of all data in a service without tokens."""
SAID = "The chicken crossed the road because the road was there, and so was the other side of it. "


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[Database]:
    """Open the database in a SQLite file; create it if there is none."""
    db = Sqlite(path)
    try:
        await migrate(db, load_migrations(db.engine))
        yield db
    finally:
        await db.close()


async def add_session(tx: Transaction, length: int, text: str = SAID, picture: FilePart | None = None) -> str:
    """Add a session of `length` messages of `text`, by user and assistant in turn, and return its id.

    `picture` is in each message, before the text.
    """
    parts = (TextPart(text),) if picture is None else (picture, TextPart(text))
    now = clock.now()
    session = Session(ids.new(), "Of old", "default", None, {}, "idle", None, 0, now, now, {}, None, temporary=False)
    await store_sessions.add_session(tx, OWNER, session)
    parent: str | None = None
    for seq in range(1, length + 1):
        role = "user" if seq % 2 else "assistant"
        message = Message(ids.new_in(session.id), session.id, parent, seq, role, parts, None, "completed", now)
        await store_messages.add_message(tx, message, OWNER)
        await message_files.add_references(tx, OWNER, message)
        parent = message.id
    if parent is not None:
        await store_sessions.reserve(tx, OWNER, session.id, length)
        await store_sessions.set_head(tx, session.id, parent, None)
    return session.id
