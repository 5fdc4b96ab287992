"""Looking for words in what an owner's sessions say: the most recently used sessions first, newest messages first.

There is no index of words. So the search is bounded instead: so many sessions are looked at, in steps, until enough
is found (`docs/decisions/0007-search.md`).
"""

import re
from collections.abc import Sequence

from chatkeep.db import Database
from chatkeep.store import search as store_search
from chatkeep.types import Found, Message, TextPart

SESSIONS = 20
"""Sessions that are looked at in one step."""
STEPS = 25
"""Steps of a search: 500 sessions."""
SNIPPET = 240
"""Characters of a message that are shown around what was found."""


async def search(db: Database, owner: str, query: str, limit: int, without: Sequence[str] = ()) -> list[Found]:
    """The first `limit` messages with every word of `query`, in any case; `without`: ids of messages to pass over."""
    words = query.casefold().split()
    found: list[Found] = []
    for step in range(STEPS if words else 0):
        page = await db.snapshot(lambda tx, step=step: store_search.list_recent(tx, owner, SESSIONS, step * SESSIONS))
        for title, message in page.messages:
            if message.id not in without and (snippet := _snippet(message, words)):
                found.append(Found(message.session_id, title, message.id, message.role, snippet, message.created_at))
                if len(found) == limit:
                    return found
        if page.is_last:
            break
    return found


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
