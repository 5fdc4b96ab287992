"""Looking for words in what an owner's sessions say: the most recently used sessions first, newest messages first.

There is no index of words. So the search is bounded instead: so many messages of so many sessions are looked at, until
enough is found (`docs/decisions/0007-search.md`).
"""

import re
from collections.abc import Sequence

from chatkeep.chat.types import Found, Message, Session, TextPart
from chatkeep.db import Database
from chatkeep.store import messages as store_messages
from chatkeep.store import sessions as store_sessions

SESSIONS = 500
"""The most sessions that are looked at."""
MESSAGES = 50_000
"""The most messages that are, of all of them together."""
PAGE = 1_000
"""Messages that are read at once."""
SNIPPET = 240
"""Characters of a message that are shown around what was found."""


async def search(db: Database, owner: str, query: str, limit: int, without: Sequence[str] = ()) -> list[Found]:
    """The first `limit` messages with every word of `query`, in any case; `without`: ids of messages to pass over."""
    words = query.casefold().split()
    found: list[Found] = []
    if not words:
        return found
    left = MESSAGES
    for session in await db.snapshot(lambda tx: store_sessions.list_sessions(tx, owner, SESSIONS, None)):
        before: int | None = None
        while left > 0 and before != 1:
            page = await _page(db, session, before, min(left, PAGE))
            for message in reversed(page):
                if message.id not in without and (snippet := _snippet(message, words)):
                    said = (message.id, message.role, snippet, message.created_at)
                    found.append(Found(session.id, session.title, *said))
                    if len(found) == limit:
                        return found
            left -= len(page)
            before = page[0].seq if page else 1
    return found


async def _page(db: Database, session: Session, before: int | None, limit: int) -> list[Message]:
    """The newest messages of all branches, before the one numbered `before`."""
    return await db.snapshot(lambda tx: store_messages.list_all(tx, session.id, before, limit))


def _snippet(message: Message, words: Sequence[str]) -> str | None:
    """The text around the first of `words`; None when one of them is missing."""
    text = " ".join(" ".join(part.text for part in message.parts if isinstance(part, TextPart)).split())
    folded = text.casefold()
    if not all(word in folded for word in words):
        return None
    first = re.search(re.escape(words[0]), text, re.IGNORECASE)
    begin = max(0, (first.start() if first else 0) - SNIPPET // 3)
    cut = text[begin : begin + SNIPPET]
    return f"{'…' if begin else ''}{cut}{'…' if begin + SNIPPET < len(text) else ''}"
