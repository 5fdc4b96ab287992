"""The index of words on SQLite: full-text tables without contents (sqlite.org/fts5.html, "Contentless-Delete Tables").

1. What one transaction adds to such a table is a piece of its own, of some pages; pieces are merged later. So words
   wait in plain rows, and are moved together: a message then costs a twentieth.
2. A text whose words wait is searched there, and not in the full-text table, which may have older ones.
3. The tables know which text has a word, not where.
"""

from collections.abc import Mapping, Sequence
from typing import LiteralString, NamedTuple

from chatkeep.db import Row, Transaction
from chatkeep.db.word_query import IndexTerm, WordIndex, WordQuery, has_words

MOVED_AT_ONCE = 200
"""The most texts whose words one transaction moves."""


class IndexStatements(NamedTuple):
    """The statements on an index.

    `find` asks the full-text table: parameters are the question, the owner, and how many rows at most. `list_pending`
    returns the texts whose words wait: their numbers and words. `get` returns what `find` does of one text.
    `find_last` returns the last number of those to be moved next; `moves` move all up to it.
    """

    find: LiteralString
    list_pending: LiteralString
    get: LiteralString
    find_last: LiteralString
    moves: tuple[LiteralString, ...]


STATEMENTS: Mapping[WordIndex, IndexStatements] = {
    "messages": IndexStatements(
        find="""SELECT s.id, s.updated_at, s.assistant, m.seq, m.created_at
                  FROM (SELECT rowid FROM message_words
                         WHERE message_words MATCH $1 AND rowid NOT IN (SELECT search_number FROM pending_words)
                         LIMIT $3) AS found
                  CROSS JOIN messages m ON m.search_number = found.rowid
                  LEFT JOIN sessions s ON s.session_key = m.session_key AND s.owner = $2 AND s.temporary = FALSE""",
        list_pending="SELECT search_number, words FROM pending_words",
        get="""SELECT s.id, s.updated_at, s.assistant, m.seq, m.created_at
                 FROM messages m
                 LEFT JOIN sessions s ON s.session_key = m.session_key AND s.owner = $2 AND s.temporary = FALSE
                WHERE m.search_number = $1""",
        find_last="""SELECT max(search_number)
                       FROM (SELECT search_number FROM pending_words ORDER BY search_number LIMIT $1) AS page""",
        moves=(
            """DELETE FROM message_words
                WHERE rowid IN (SELECT search_number FROM pending_words WHERE search_number <= $1)""",
            """INSERT INTO message_words (rowid, words)
               SELECT search_number, words FROM pending_words WHERE search_number <= $1""",
            "DELETE FROM pending_words WHERE search_number <= $1",
        ),
    ),
    "titles": IndexStatements(
        find="""SELECT s.id, s.updated_at, s.assistant
                  FROM (SELECT rowid FROM title_words
                         WHERE title_words MATCH $1
                           AND rowid NOT IN (SELECT session_key FROM session_titles WHERE words IS NOT NULL)
                         LIMIT $3) AS found
                  LEFT JOIN sessions s ON s.session_key = found.rowid AND s.owner = $2 AND s.temporary = FALSE""",
        list_pending="SELECT session_key, words FROM session_titles WHERE words IS NOT NULL",
        get="""SELECT s.id, s.updated_at, s.assistant
                 FROM sessions s WHERE s.session_key = $1 AND s.owner = $2 AND s.temporary = FALSE""",
        find_last="""SELECT max(session_key)
                       FROM (SELECT session_key FROM session_titles WHERE words IS NOT NULL
                              ORDER BY session_key LIMIT $1) AS page""",
        moves=(
            """DELETE FROM title_words
                WHERE rowid IN (
                      SELECT session_key FROM session_titles WHERE words IS NOT NULL AND session_key <= $1)""",
            """INSERT INTO title_words (rowid, words)
               SELECT session_key, words FROM session_titles WHERE words IS NOT NULL AND session_key <= $1""",
            "UPDATE session_titles SET words = NULL WHERE words IS NOT NULL AND session_key <= $1",
        ),
    ),
}


async def find_words(tx: Transaction, index: WordIndex, query: WordQuery, owner: str, limit: int) -> list[Row]:
    """Return what an index has: see `Transaction.find_words`. Those whose words wait are not counted by `limit`."""
    statements = STATEMENTS[index]
    rows = await tx.all(statements.find, to_match(query), owner, limit)
    pending = [number for number, words in await tx.all(statements.list_pending) if has_words(words, query)]
    return rows + await tx.returning(statements.get, [(number, owner) for number in pending])


async def settle_words(tx: Transaction) -> bool:
    """Move words that wait: see `Transaction.settle_words`."""
    has_more = False
    for statements in STATEMENTS.values():
        (last,) = await tx.one(statements.find_last, MOVED_AT_ONCE) or (None,)
        if last is not None:
            has_more = True
            for sql in statements.moves:
                await tx.run(sql, last)
    return has_more


def to_match(query: WordQuery) -> str:
    """Return the question in the language of MATCH."""
    wanted = " AND ".join(f"({_any(group)})" for group in query.all_of)
    return f"({wanted}) NOT ({_any(query.none_of)})" if query.none_of else wanted


def _any(terms: Sequence[IndexTerm]) -> str:
    return " OR ".join(f'"{term.word}"{" *" if term.is_prefix else ""}' for term in terms)
