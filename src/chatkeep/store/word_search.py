"""Asks the index of words (`db/word_query.py`): which sessions and messages of an owner may answer a query."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chatkeep import ids
from chatkeep.chat import words
from chatkeep.chat.search_query import SearchQuery, Term
from chatkeep.db import Transaction
from chatkeep.db.word_query import IndexTerm, WordQuery

ALL = 1_000_000
"""More rows than one session has."""


class Found(NamedTuple):
    """A session with messages that may match: their `seq`, newest first. `updated_at`: when it was used last."""

    updated_at: str
    session_id: str
    seqs: Sequence[int]

    @property
    def position(self) -> tuple[str, str]:
        """Its place in the list of sessions."""
        return self.updated_at, self.session_id


async def find_messages(
    tx: Transaction, owner: str, query: SearchQuery, session_ids: Sequence[str], limit: int
) -> list[Found] | None:
    """Return the owner's sessions with messages that may match, the last used first. None: more than `limit` may.

    `session_ids`: only of these sessions; empty: of all. A term of several words is not checked here.
    """
    marks = [[IndexTerm(words.owner_mark(owner))]]
    if query.role:
        marks.append([IndexTerm(words.role_mark(query.role))])
    if session_ids:
        marks.append([IndexTerm(words.session_mark(ids.session_key(each))) for each in session_ids])
    rows = await tx.find_words("messages", _to_index(query, marks), owner, limit + 1)
    if len(rows) > limit:
        return None
    seqs: dict[tuple[str, str], list[int]] = {}
    for session_id, updated_at, assistant, seq, created_at in rows:
        if session_id is not None and _is_among(query, assistant, created_at):
            seqs.setdefault((updated_at, session_id), []).append(seq)
    return [Found(*key, sorted(seqs[key], reverse=True)) for key in sorted(seqs, reverse=True)]


async def find_titles(tx: Transaction, owner: str, query: SearchQuery, limit: int) -> list[str] | None:
    """Return the ids of the owner's sessions whose title may match, last used first. None: more than `limit` may."""
    rows = await tx.find_words("titles", _to_index(query, [[IndexTerm(words.owner_mark(owner))]]), owner, limit + 1)
    if len(rows) > limit:
        return None
    found = [row for row in rows if row[0] is not None and (query.assistant or row[2]) == row[2]]
    return [row[0] for row in sorted(found, key=lambda row: (row[1], row[0]), reverse=True)]


def _to_index(query: SearchQuery, marks: Sequence[Sequence[IndexTerm]]) -> WordQuery:
    excluded = (term for term in query.excluded if len(term.words) == 1)
    return WordQuery([*([term] for term in _index_terms(query.required)), *marks], list(_index_terms(excluded)))


def _index_terms(terms: Iterable[Term]) -> Iterable[IndexTerm]:
    for term in terms:
        yield from (IndexTerm(word) for word in term.words[:-1])
        yield IndexTerm(term.words[-1], term.is_open)


def _is_among(query: SearchQuery, assistant: str, created_at: str) -> bool:
    """Return True if a message is of the query's assistant and time."""
    return (
        (query.assistant is None or query.assistant == assistant)
        and (query.since is None or query.since <= created_at)
        and (query.until is None or created_at < query.until)
    )
