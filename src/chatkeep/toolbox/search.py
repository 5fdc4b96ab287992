"""Searches an owner's messages for words: recently used sessions first, newest messages first.

1. The index of words names the messages that may match, at once if they are few.
2. If they are many, it is asked about some sessions at a time, those first that were used last, until there is enough.
   The next page begins after the last session that this one has looked at.
3. An index knows which words a message has, but not where. So messages are read, checked and cut in Python, which makes
   the results the same on both engines.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from chatkeep.chat.excerpts import excerpt
from chatkeep.chat.search_query import SearchQuery, is_of_words_alone, matches, parse_query
from chatkeep.chat.texts import join_shown
from chatkeep.chat.types import Message, Role, SearchResult, Session
from chatkeep.db import Database, Transaction
from chatkeep.store import messages as store_messages
from chatkeep.store import sessions as store_sessions
from chatkeep.store import word_search
from chatkeep.store.word_search import Found

Position = tuple[str, str]
"""The (updated_at, id) of a session in the list of sessions."""


class SearchLimits(NamedTuple):
    """The limits of one search.

    `max_at_once`: messages that the index names at once; if there may be more, it is asked about `sessions_at_once`
    sessions at a time, and about `max_sessions` for one page. `messages_at_once`: messages that are read together.
    """

    max_at_once: int = 1_000
    sessions_at_once: int = 50
    max_sessions: int = 500
    messages_at_once: int = 50


class SearchScope(NamedTuple):
    """Where a search looks.

    `session_id`: in this session alone. `before`: in sessions after this place in the list of sessions. `per_session`:
    at most so many results of one session. `role`: messages of the user, or of the assistant. `excluded_ids`: messages
    that are no results.
    """

    session_id: str | None = None
    before: Position | None = None
    per_session: int | None = None
    role: Role | None = None
    excluded_ids: Sequence[str] = ()


class SearchResults(NamedTuple):
    """Messages that match, and on the first page the sessions whose title does.

    `last` is the place in the list of sessions to go on after; None if there is nothing more.
    """

    results: Sequence[SearchResult]
    sessions: Sequence[Session]
    last: Position | None


class _Candidates(NamedTuple):
    """Sessions with messages that may match, in the order of the list; and where to go on after them, or None."""

    found: Sequence[Found]
    last: Position | None


EVERYWHERE = SearchScope()
DEFAULT_LIMITS = SearchLimits()


async def search(
    db: Database,
    owner: str,
    text: str,
    limit: int,
    scope: SearchScope = EVERYWHERE,
    limits: SearchLimits = DEFAULT_LIMITS,
) -> SearchResults:
    """Return at most `limit` messages of `owner` that match the query `text` (`chat/search_query.py`).

    Nothing is found if it asks for nothing. A limit may end the search within a session that has more results: a search
    with its `session_id` finds them.

    Raises:
        NotFound: there is no session `scope.session_id`, or it belongs to another owner.
    """
    query = parse_query(text)
    query = replace(query, role=scope.role) if scope.role else query
    if scope.session_id is not None:
        await db.snapshot(partial(_get_session, owner, scope.session_id))
    if query.is_empty:
        return SearchResults((), (), None)
    titled = [] if scope.before else await _find_titled(db, owner, query, scope, limit, limits)
    candidates = await _find_candidates(db, owner, query, scope, limit, limits)
    results: list[SearchResult] = []
    per_session = min(scope.per_session or 1, limit)
    for index, found in enumerate(candidates.found):
        room = limit - len(results)
        if room < per_session:
            return SearchResults(results, titled, candidates.found[index - 1].position)
        wanted = per_session if scope.per_session else room
        results += await _read_results(db, owner, query, found, wanted, scope.excluded_ids, limits.messages_at_once)
    return SearchResults(results, titled, candidates.last)


async def _get_session(owner: str, session_id: str, tx: Transaction) -> Session:
    return await store_sessions.get_session(tx, owner, session_id)


async def _find_titled(
    db: Database, owner: str, query: SearchQuery, scope: SearchScope, limit: int, limits: SearchLimits
) -> list[Session]:
    """Return the sessions whose title matches. If very many may, only the last used ones are looked at."""
    if query.role or query.since or query.until or not query.required:
        return []

    async def read(tx: Transaction) -> list[Session]:
        if scope.session_id is not None:
            return [await store_sessions.get_session(tx, owner, scope.session_id)]
        found = await word_search.find_titles(tx, owner, query, limits.max_at_once)
        if found is None:
            return await store_sessions.list_sessions(tx, owner, limits.max_sessions, None)
        sessions = [await store_sessions.find_session(tx, owner, each) for each in found[: 2 * limit]]
        return [each for each in sessions if each is not None]

    sessions = await db.snapshot(read)
    found = (
        each for each in sessions if query.assistant in (None, each.assistant) and matches(query, each.title or "")
    )
    return list(islice(found, limit))


async def _find_candidates(
    db: Database, owner: str, query: SearchQuery, scope: SearchScope, limit: int, limits: SearchLimits
) -> _Candidates:
    """Return the sessions in which to look for `limit` results."""
    if scope.session_id is not None:
        found = await db.snapshot(partial(_find_in, owner, query, [scope.session_id], word_search.ALL))
        return _Candidates(found or (), None)
    found = await db.snapshot(partial(_find_in, owner, query, (), limits.max_at_once))
    if found is not None:
        return _Candidates([each for each in found if scope.before is None or each.position < scope.before], None)
    return await _walk(db, owner, query, scope, limit, limits)


async def _find_in(
    owner: str, query: SearchQuery, session_ids: Sequence[str], limit: int, tx: Transaction
) -> list[Found] | None:
    return await word_search.find_messages(tx, owner, query, session_ids, limit)


async def _walk(
    db: Database, owner: str, query: SearchQuery, scope: SearchScope, limit: int, limits: SearchLimits
) -> _Candidates:
    """Ask the index about some sessions at a time, in the order of the list, until there may be `limit` results."""
    candidates: list[Found] = []
    before, count, per_session = scope.before, 0, scope.per_session or limit
    for _ in range(0, limits.max_sessions, limits.sessions_at_once):

        async def ask(tx: Transaction, before: Position | None = before) -> tuple[list[Session], list[Found]]:
            page = await store_sessions.list_sessions(tx, owner, limits.sessions_at_once, before)
            ids = [each.id for each in page if not _is_out_of_time(query, each)]
            return page, await _ask_about(tx, owner, query, ids, limits.max_at_once)

        page, found = await db.snapshot(ask)
        candidates += found
        count += sum(min(len(each.seqs), per_session) for each in found)
        if len(page) < limits.sessions_at_once:
            return _Candidates(candidates, None)
        before = page[-1].updated_at, page[-1].id
        if count >= limit:
            break
    return _Candidates(candidates, before)


async def _ask_about(
    tx: Transaction, owner: str, query: SearchQuery, session_ids: Sequence[str], limit: int
) -> list[Found]:
    """Return those of some sessions that have messages that may match; of each half, where there are too many."""
    if not session_ids:
        return []
    half = len(session_ids) // 2
    found = await word_search.find_messages(tx, owner, query, session_ids, limit if half else word_search.ALL)
    if found is not None:
        return found
    first = await _ask_about(tx, owner, query, session_ids[:half], limit)
    return first + await _ask_about(tx, owner, query, session_ids[half:], limit)


def _is_out_of_time(query: SearchQuery, session: Session) -> bool:
    """Return True if none of the session's messages is of the query's time."""
    is_too_old = query.since is not None and session.updated_at < query.since and session.status == "idle"
    return is_too_old or (query.until is not None and query.until <= session.created_at)


async def _read_results(
    db: Database,
    owner: str,
    query: SearchQuery,
    found: Found,
    wanted: int,
    excluded_ids: Sequence[str],
    messages_at_once: int,
) -> list[SearchResult]:
    """Return the newest messages of a session that match, at most `wanted`.

    They are read and cut some at a time, in a thread and not on the event loop: they can hold megabytes of text.
    """
    results: list[SearchResult] = []
    size = min(wanted + len(excluded_ids), messages_at_once)
    for begin in range(0, len(found.seqs), size):
        places = [(found.session_id, seq) for seq in found.seqs[begin : begin + size]]

        async def read(tx: Transaction, places: list[tuple[str, int]] = places) -> tuple[Session | None, list[Message]]:
            session = await store_sessions.find_session(tx, owner, found.session_id)
            return session, await store_messages.list_by_seq(tx, places)

        session, messages = await db.snapshot(read)
        if session is None:  # it was deleted in this moment
            return []
        others = [each for each in messages if each.id not in excluded_ids]
        results += await asyncio.to_thread(_to_results, query, session, others)
        if len(results) >= wanted:
            break
    return results[:wanted]


def _to_results(query: SearchQuery, session: Session, messages: Sequence[Message]) -> list[SearchResult]:
    """Return those of `messages` that match, with excerpts."""
    results: list[SearchResult] = []
    is_known = is_of_words_alone(query)  # then the index has answered all of it
    for message in messages:
        text = join_shown(message.parts)
        if is_known or matches(query, text):
            pieces = excerpt(text, query.required)
            snippet = "".join(piece.text for piece in pieces)
            results.append(
                SearchResult(session.id, session.title, message.id, message.role, snippet, pieces, message.created_at)
            )
    return results
