"""Searches an owner's messages for words: recently used sessions first, newest messages first.

Messages have no index of words. A search reads them instead, within limits: a number of messages in a number of
sessions, until it has enough results (`docs/decisions/0007-search.md`).
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from chatkeep.chat.texts import join_texts
from chatkeep.chat.types import Message, SearchResult, Session
from chatkeep.db import Database
from chatkeep.store import messages as store_messages
from chatkeep.store import sessions as store_sessions

SNIPPET_CHARS = 240
"""Characters of a message that a result shows around the first match."""


class SearchLimits(NamedTuple):
    """The limits of one search: sessions, messages of all sessions together, and messages that one query reads."""

    max_sessions: int = 500
    max_messages: int = 50_000
    page_size: int = 1_000


DEFAULT_LIMITS = SearchLimits()


class _Page(NamedTuple):
    """A searched page: its results, newest first, how many messages it has, and the first one's sequence number."""

    results: Sequence[SearchResult]
    message_count: int
    first_seq: int


_Find = Callable[[Session, Sequence[Message]], _Page]


async def search(
    db: Database,
    owner: str,
    query: str,
    limit: int,
    excluded_ids: Sequence[str] = (),
    limits: SearchLimits = DEFAULT_LIMITS,
) -> list[SearchResult]:
    """Return the first `limit` messages of `owner` that contain every word of `query`, in upper or lower case.

    `excluded_ids`: messages that are no results. The list is empty if nothing matches within `limits`, and if `query`
    has no words.
    """
    words = query.casefold().split()
    results: list[SearchResult] = []

    def find(session: Session, messages: Sequence[Message]) -> _Page:
        found = (
            _result(session, message, snippet)
            for message in reversed(messages)
            if message.id not in excluded_ids and (snippet := _snippet(message, words))
        )
        return _Page(list(islice(found, limit - len(results))), len(messages), messages[0].seq if messages else 1)

    if not words:
        return results
    remaining = limits.max_messages
    for session in await db.snapshot(lambda tx: store_sessions.list_sessions(tx, owner, limits.max_sessions, None)):
        before: int | None = None
        while remaining > 0 and before != 1:
            page = await _search_page(db, session, before, min(remaining, limits.page_size), find)
            results += page.results
            if len(results) == limit:
                return results
            remaining -= page.message_count
            before = page.first_seq
    return results


async def _search_page(db: Database, session: Session, before: int | None, limit: int, find: _Find) -> _Page:
    """Search the newest messages of all branches; only those before the sequence number `before`.

    In a thread, not on the event loop: a page can hold megabytes of text.
    """
    messages = await db.snapshot(lambda tx: store_messages.list_all(tx, session.id, before, limit))
    return await asyncio.to_thread(find, session, messages)


def _snippet(message: Message, words: Sequence[str]) -> str | None:
    """Return the text around the first of `words`; None if one of them is missing."""
    text = " ".join(join_texts(message.parts, " ").split())
    folded = text.casefold()
    if not all(word in folded for word in words):
        return None
    match = re.search(re.escape(words[0]), text, re.IGNORECASE)
    start = max(0, (match.start() if match else 0) - SNIPPET_CHARS // 3)
    end = start + SNIPPET_CHARS
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def _result(session: Session, message: Message, snippet: str) -> SearchResult:
    return SearchResult(session.id, session.title, message.id, message.role, snippet, message.created_at)
