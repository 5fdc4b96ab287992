"""Searches an owner's messages for words: recently used sessions first, newest messages first.

Messages have no index of words. A search reads them instead, within limits: a number of messages in a number of
sessions, until it has enough results (`docs/decisions/0007-search.md`). The next page begins after the last session
that this one has read.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, cast

from chatkeep.chat.texts import join_texts
from chatkeep.chat.types import Message, SearchResult, Session, ToolCallPart
from chatkeep.db import Database, Transaction
from chatkeep.store import messages as store_messages
from chatkeep.store import sessions as store_sessions

SNIPPET_CHARS = 240
"""Characters of a message that a result shows around the first match."""


class SearchLimits(NamedTuple):
    """The limits of one search: sessions, messages of all sessions together, and messages that one query reads."""

    max_sessions: int = 500
    max_messages: int = 50_000
    page_size: int = 1_000


class SearchScope(NamedTuple):
    """Where a search looks.

    `session_id`: in this session alone. `before`: in sessions after the one with this (updated_at, id) in the list of
    sessions. `per_session`: at most so many results of one session. `excluded_ids`: messages that are no results.
    """

    session_id: str | None = None
    before: tuple[str, str] | None = None
    per_session: int | None = None
    excluded_ids: Sequence[str] = ()


class Found(NamedTuple):
    """Messages that have all words, and sessions whose title has them: on the first page, of all that were read.

    `last` is the session to go on after; None if there is nothing more to read.
    """

    results: Sequence[SearchResult]
    sessions: Sequence[Session]
    last: Session | None


class _Hits(NamedTuple):
    """The results of some messages, newest first; how many messages were read; the first one's sequence number."""

    results: Sequence[SearchResult]
    message_count: int
    first_seq: int


EVERYWHERE = SearchScope()
DEFAULT_LIMITS = SearchLimits()


async def search(
    db: Database,
    owner: str,
    query: str,
    limit: int,
    scope: SearchScope = EVERYWHERE,
    limits: SearchLimits = DEFAULT_LIMITS,
) -> Found:
    """Return at most `limit` messages of `owner` that contain every word of `query`, in upper or lower case.

    Nothing is found if `query` has no words. A limit may end the search within a session that has more results: a
    search with its `session_id` finds them.

    Raises:
        NotFound: there is no session `scope.session_id`, or it belongs to another owner.
    """
    words = query.casefold().split()
    sessions = await db.snapshot(lambda tx: _list_sessions(tx, owner, scope, limits.max_sessions)) if words else []
    titled = [each for each in sessions if _has_words(each.title or "", words)] if scope.before is None else []
    results: list[SearchResult] = []
    remaining = limits.max_messages
    per_session = min(scope.per_session or 1, limit)
    for index, session in enumerate(sessions):
        room = limit - len(results)
        if room < per_session or remaining <= 0:
            return Found(results, titled[:limit], sessions[index - 1])
        wanted = per_session if scope.per_session else room
        hits = await _search_session(db, session, words, wanted, scope.excluded_ids, remaining, limits.page_size)
        results += hits.results
        remaining -= hits.message_count
    has_more = scope.session_id is None and len(sessions) == limits.max_sessions
    return Found(results, titled[:limit], sessions[-1] if has_more else None)


async def _list_sessions(tx: Transaction, owner: str, scope: SearchScope, limit: int) -> list[Session]:
    if scope.session_id is not None:
        return [await store_sessions.get_session(tx, owner, scope.session_id)]
    return await store_sessions.list_sessions(tx, owner, limit, scope.before)


async def _search_session(
    db: Database,
    session: Session,
    words: Sequence[str],
    wanted: int,
    excluded_ids: Sequence[str],
    max_messages: int,
    page_size: int,
) -> _Hits:
    """Search the newest messages of all branches, page by page, until `wanted` are found.

    A page is read in a thread, not on the event loop: it can hold megabytes of text.
    """
    results: list[SearchResult] = []
    count, before = 0, None
    while count < max_messages and before != 1 and len(results) < wanted:
        size = min(max_messages - count, page_size)
        messages = await db.snapshot(partial(_list_messages, session.id, before, size))
        hits = await asyncio.to_thread(_find, session, messages, words, wanted - len(results), excluded_ids)
        results += hits.results
        count += hits.message_count
        before = hits.first_seq
    return _Hits(results, count, before or 1)


async def _list_messages(session_id: str, before: int | None, limit: int, tx: Transaction) -> Sequence[Message]:
    return await store_messages.list_all(tx, session_id, before, limit)


def _find(
    session: Session, messages: Sequence[Message], words: Sequence[str], wanted: int, excluded_ids: Sequence[str]
) -> _Hits:
    found = (
        SearchResult(session.id, session.title, message.id, message.role, snippet, message.created_at)
        for message in reversed(messages)
        if message.id not in excluded_ids and (snippet := _snippet(message, words))
    )
    return _Hits(list(islice(found, wanted)), len(messages), messages[0].seq if messages else 1)


def _snippet(message: Message, words: Sequence[str]) -> str | None:
    """Return the text around the first of `words`; None if one of them is missing."""
    text = " ".join(" ".join([join_texts(message.parts, " "), *_card_texts(message)]).split())
    if not _has_words(text, words):
        return None
    match = re.search(re.escape(words[0]), text, re.IGNORECASE)
    start = max(0, (match.start() if match else 0) - SNIPPET_CHARS // 3)
    end = start + SNIPPET_CHARS
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def _has_words(text: str, words: Sequence[str]) -> bool:
    folded = text.casefold()
    return all(word in folded for word in words)


def _card_texts(message: Message) -> Iterator[str]:
    """Yield the texts on the cards of a message: those of replies, and of questions to the user."""
    for part in message.parts:
        if isinstance(part, ToolCallPart) and part.kind in ("reply", "client") and part.arguments:
            yield from _strings(part.arguments)


def _strings(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, in order. By a stack, since a model may nest it deeply."""
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack.extend(reversed(list(cast("dict[str, Any]", item).values())))
        elif isinstance(item, list):
            stack.extend(reversed(cast("list[Any]", item)))
