"""The table `session_titles`: by which words a search finds a session. Temporary sessions have no row."""

from chatkeep import ids
from chatkeep.chat import words
from chatkeep.db import Transaction


async def set_title_words(tx: Transaction, session_id: str, title: str | None, found_by: str) -> None:
    """Store the words of a session's title, which the owner `found_by` finds; None: there is no title any more."""
    await tx.run(
        """INSERT INTO session_titles (session_key, words) VALUES ($1, $2)
           ON CONFLICT (session_key) DO UPDATE SET words = excluded.words""",
        ids.session_key(session_id),
        words.to_index(title or "", [words.owner_mark(found_by)]),
    )
