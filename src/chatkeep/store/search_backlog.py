"""The table `search_backlog`: sessions whose title and messages are still to be put into the index of words.

1. What is written with its words needs no backlog. Here stands what was stored by an earlier version, copied from
   another database, imported, or given to another owner.
2. A session is indexed page by page, each page in a transaction, under the lock of the session. All who write words
   have that lock, so an older text never replaces a newer one. A process that stops in between has lost nothing, and
   several may do it side by side.
"""

from msgspec import MsgspecError

from chatkeep import ids
from chatkeep.db import Transaction, can_be_repeated
from chatkeep.store import messages as store_messages
from chatkeep.store import sessions as store_sessions
from chatkeep.store.session_titles import set_title_words

PAGE_MESSAGES = 50
"""The most messages that one transaction puts into the index."""
PAGE_SESSIONS = 100
"""The most sessions that `list_backlog` returns."""


async def add_session(tx: Transaction, session_id: str) -> None:
    """Add a session, or begin it anew."""
    await tx.run(
        """INSERT INTO search_backlog (session_key, seq) VALUES ($1, 0)
           ON CONFLICT (session_key) DO UPDATE SET seq = 0""",
        ids.session_key(session_id),
    )
    tx.prove(can_be_repeated)


async def add_all(tx: Transaction, owner: str) -> None:
    """Add all sessions of an owner who has just got them."""
    await tx.run(
        """INSERT INTO search_backlog (session_key, seq) SELECT session_key, 0 FROM sessions WHERE owner = $1
           ON CONFLICT (session_key) DO UPDATE SET seq = 0""",
        owner,
    )


async def add_temporary(tx: Transaction, owner: str) -> None:
    """Add the temporary sessions of an owner, which are about to be lasting ones."""
    await tx.run(
        """INSERT INTO search_backlog (session_key, seq)
           SELECT session_key, 0 FROM sessions WHERE owner = $1 AND temporary = TRUE
           ON CONFLICT (session_key) DO UPDATE SET seq = 0""",
        owner,
    )


async def list_backlog(tx: Transaction) -> list[str]:
    """Return the ids of sessions of the backlog, at most `PAGE_SESSIONS`, in no order of time."""
    rows = await tx.all(
        """SELECT (SELECT s.id FROM sessions s WHERE s.session_key = b.session_key)
             FROM search_backlog b ORDER BY b.session_key LIMIT $1""",
        PAGE_SESSIONS,
    )
    return [session_id for (session_id,) in rows]


async def index_page(tx: Transaction, session_id: str) -> bool:
    """Index the next messages of a session, at most `PAGE_MESSAGES`, before the first its title.

    Return False if the session is not in the backlog, or no longer.
    """
    tx.prove(can_be_repeated)
    key = ids.session_key(session_id)
    if not await store_sessions.lock(tx, session_id):
        return False
    row = await tx.one("SELECT seq FROM search_backlog WHERE session_key = $1", key)
    if row is None:
        return False
    owner = await store_sessions.get_owner(tx, session_id)
    session = await store_sessions.find_session(tx, owner, session_id)
    places = await _list_places(tx, key, row[0])
    if session is not None and not session.temporary and owner != store_sessions.NO_OWNER:
        if row[0] == 0:
            await set_title_words(tx, session_id, session.title, owner)
        for seq in places:
            await _index_message(tx, session_id, seq, owner)
        if len(places) == PAGE_MESSAGES:
            await tx.run("UPDATE search_backlog SET seq = $2 WHERE session_key = $1", key, places[-1])
            return True
    await tx.run("DELETE FROM search_backlog WHERE session_key = $1", key)
    return False


async def _list_places(tx: Transaction, session_key: int, after: int) -> list[int]:
    rows = await tx.all(
        "SELECT seq FROM messages WHERE session_key = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        session_key,
        after,
        PAGE_MESSAGES,
    )
    return [seq for (seq,) in rows]


async def _index_message(tx: Transaction, session_id: str, seq: int, owner: str) -> None:
    """Store a message's words. One whose parts cannot be read is left out: `chatkeep doctor` names it."""
    try:
        (message,) = await store_messages.list_by_seq(tx, [(session_id, seq)])
    except MsgspecError:
        return
    await tx.run(
        "UPDATE messages SET words = $3 WHERE session_key = $1 AND seq = $2",
        ids.session_key(session_id),
        seq,
        store_messages.index_words(message, owner),
    )
