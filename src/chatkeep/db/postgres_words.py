"""The index of words on PostgreSQL: columns of type tsvector with a GIN index, whose lexemes are our words as they are.

1. A WITH query that is MATERIALIZED is planned without a look at the LIMIT outside of it. Else the planner, which
   guesses how often a word occurs, reads the table from its beginning until it has enough: for a rare word, all of it.
2. Its rows are still read one by one, so that the LIMIT ends it.
"""

from collections.abc import Mapping, Sequence
from typing import LiteralString

from chatkeep.db.word_query import IndexTerm, WordIndex, WordQuery

FIND: Mapping[WordIndex, LiteralString] = {
    "messages": """WITH matching AS MATERIALIZED (
                       SELECT session_key, seq, created_at FROM messages
                        WHERE words @@ CAST(CAST($1 AS text) AS tsquery)),
                        found AS MATERIALIZED (SELECT * FROM matching LIMIT $3)
                   SELECT s.id, s.updated_at, s.assistant, found.seq, found.created_at
                     FROM found
                     LEFT JOIN sessions s ON s.session_key = found.session_key AND s.owner = $2
                                         AND s.temporary = FALSE""",
    "titles": """WITH matching AS MATERIALIZED (
                     SELECT session_key FROM session_titles WHERE words @@ CAST(CAST($1 AS text) AS tsquery)),
                      found AS MATERIALIZED (SELECT * FROM matching LIMIT $3)
                 SELECT s.id, s.updated_at, s.assistant
                   FROM found
                   LEFT JOIN sessions s ON s.session_key = found.session_key AND s.owner = $2
                                       AND s.temporary = FALSE""",
}
"""The statements that ask an index: parameters are the question, the owner, and how many rows at most."""


def to_tsquery(query: WordQuery) -> str:
    """Return the question as text that PostgreSQL casts to a tsquery."""
    wanted = " & ".join(f"({_any(group)})" for group in query.all_of)
    return f"{wanted} & !({_any(query.none_of)})" if query.none_of else wanted


def _any(terms: Sequence[IndexTerm]) -> str:
    return " | ".join(f"'{term.word}'{':*' if term.is_prefix else ''}" for term in terms)
