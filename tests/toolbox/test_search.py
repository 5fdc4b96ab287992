"""The law of the search: both engines find what a plain reference finds, however the words came into the index."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatkeep import ids
from chatkeep.chat.search_query import SearchQuery, Term, parse_query
from chatkeep.chat.types import Message, Role, Session, TextPart
from chatkeep.chat.words import list_words
from chatkeep.db import Database, Transaction, can_be_repeated
from chatkeep.runs.loading import open_database
from chatkeep.store import messages as store_messages
from chatkeep.store import search_backlog
from chatkeep.store import sessions as store_sessions
from chatkeep.toolbox.search import DEFAULT_LIMITS, SearchResults, SearchScope, search
from tests.databases import new_database
from tests.postgres import Server
from tests.service import settings as service_settings
from tests.values import message

pytestmark = pytest.mark.anyio

WORDS = (
    "cat",
    "Cats",
    "catalogue",
    "don't",
    "DON\u2019T",
    "café",
    "cafe\u0301",
    "C++",
    "İx",
    "\uff46\uff55\uff4c\uff4c",
    "数据库",
    "据",
    "🐔",
    "a_b",
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join) | st.text(max_size=12)
TERMS = st.sampled_from(
    [*WORDS, "ca", '"cat cats"', '"don t', "-cat", '-"cats catalogue"', "from:user", "assistant:law"]
)
DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
QUERIES = st.lists(
    TERMS | st.sampled_from([f"{name}:{day}" for name in ("before", "after") for day in DAYS]), max_size=4
)
SMALL = DEFAULT_LIMITS._replace(max_at_once=3, sessions_at_once=2, messages_at_once=2)


class Said(NamedTuple):
    """A message: its session, role, text and day, and the way in which its words come into the index."""

    session: int
    role: Role
    text: str
    day: str
    way: str


SAID = st.builds(
    Said,
    st.integers(0, 3),
    st.sampled_from(["user", "assistant"]),
    TEXTS,
    st.sampled_from(DAYS),
    st.sampled_from(["at once", "later", "changed", "settled"]),
)


@pytest.fixture
async def both(tmp_path: Any, postgres: Server) -> AsyncGenerator[list[Database]]:
    """A database of each engine."""
    with new_database(postgres) as url:
        dbs = [await open_database(service_settings(where)) for where in (tmp_path, url)]
        yield dbs
        for db in dbs:
            await db.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(said=st.lists(SAID, max_size=14), queries=st.lists(QUERIES.map(" ".join) | st.text(max_size=12), max_size=5))
async def test_both_engines_find_what_a_reference_finds(
    both: list[Database], said: list[Said], queries: list[str]
) -> None:
    owner, other = ids.new(), ids.new()
    sessions = [_session(number) for number in range(4)]
    messages = [_message(sessions, said, number) for number in range(len(said))]
    for db in both:
        for by in (owner, other):
            await _store(db, by, said, sessions if by == owner else [_copy(each) for each in sessions], messages)
    for query in queries:
        expected = list(_expected(query, sessions, messages))
        for db in both:
            for limits in (DEFAULT_LIMITS, SMALL):
                found = await search(db, owner, query, 100, limits=limits)
                assert [each.message_id for each in found.results] == expected, (query, db.engine, limits)
                assert await _by_pages(db, owner, query, limits=limits) == expected, (query, db.engine, limits)


def _session(number: int) -> Session:
    """Return a session that was used after all messages."""
    times = f"{DAYS[0]}T00:00:00.000000Z", f"2026-12-{1 + number % 3:02}T{number:02}:00:00.000000Z"
    assistant = "law" if number % 2 else "default"
    return Session(ids.new(), None, assistant, None, {}, "idle", None, 0, *times, {}, None, False)


def _copy(session: Session) -> Session:
    return replace(session, id=ids.new())


def _message(sessions: list[Session], said: list[Said], number: int) -> Message:
    each = said[number]
    session_id = sessions[each.session].id
    seq = 1 + sum(before.session == each.session for before in said[:number])
    template = message(each.role, each.text, id=ids.new_in(session_id), session_id=session_id, seq=seq)
    return replace(template, created_at=f"{each.day}T00:00:00.000000Z", run_id=None, status="completed")


async def _store(db: Database, owner: str, said: list[Said], sessions: list[Session], messages: list[Message]) -> None:
    """Store the messages in each one's way. Those of another owner have other ids."""
    for session in sessions:
        await db.transaction(lambda tx, each=session: store_sessions.add_session(tx, owner, each))
    for each, one in zip(said, messages, strict=True):
        session = sessions[each.session]
        own = one if one.session_id == session.id else replace(one, id=ids.new_in(session.id), session_id=session.id)
        await db.transaction(lambda tx, own=own, way=each.way: _add(tx, owner, own, way))
    for session in sessions:
        while await db.transaction(lambda tx, id_=session.id: search_backlog.index_page(tx, id_)):
            pass


async def _add(tx: Transaction, owner: str, said: Message, way: str) -> None:
    tx.prove(can_be_repeated)
    match way:
        case "later":
            await store_messages.add_message(tx, said)
            await search_backlog.add_session(tx, said.session_id)
        case "changed":
            await store_messages.add_message(tx, replace(said, parts=(TextPart("cat catalogue gone"),)), owner)
            await tx.settle_words()
            await store_messages.set_parts(tx, said, owner)
        case _:
            await store_messages.add_message(tx, said, owner)
            if way == "settled":
                await tx.settle_words()


def _expected(query: str, sessions: list[Session], messages: list[Message]) -> Iterator[str]:
    """Yield the ids of the messages that `query` asks for: the last used session first, in it the newest message."""
    asked = parse_query(query)
    if asked == SearchQuery():
        return
    for session in sorted(sessions, key=lambda each: (each.updated_at, each.id), reverse=True):
        for each in sorted(messages, key=lambda one: one.seq, reverse=True):
            if each.session_id == session.id and _is_asked_for(asked, session, each):
                yield each.id


def _is_asked_for(asked: SearchQuery, session: Session, said: Message) -> bool:
    words = list_words(said.parts[0].text if said.parts and isinstance(said.parts[0], TextPart) else "")
    return (
        asked.role in (None, said.role)
        and asked.assistant in (None, session.assistant)
        and (asked.since or "") <= said.created_at < (asked.until or "9")
        and all(_has(words, term) for term in asked.required)
        and not any(_has(words, term) for term in asked.excluded)
    )


def _has(words: list[str], term: Term) -> bool:
    for begin in range(len(words) - len(term.words) + 1):
        *first, last = words[begin : begin + len(term.words)]
        if tuple(first) == term.words[:-1] and (
            last == term.words[-1] or (term.is_open and last.startswith(term.words[-1]))
        ):
            return True
    return False


async def _by_pages(db: Database, owner: str, query: str, **more: Any) -> list[str]:
    """Return what is found, two messages of a session at most on a page; what a page cuts off is asked for apart."""
    pages: list[SearchResults] = []
    scope = SearchScope(per_session=2)
    while not pages or scope.before:
        pages.append(await search(db, owner, query, 3, scope, **more))
        scope = scope._replace(before=pages[-1].last)
    shown = [each.session_id for page in pages for each in page.results]
    session_ids = list(dict.fromkeys(shown))
    assert all(shown.count(each) <= 2 for each in session_ids)
    whole = [await search(db, owner, query, 100, SearchScope(session_id=each), **more) for each in session_ids]
    return [each.message_id for found in whole for each in found.results]
