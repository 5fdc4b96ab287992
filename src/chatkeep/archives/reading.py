"""Reads what is exported, a page at a time: sessions, the messages of each, and the bytes of files.

1. A session is as it was in one snapshot (`store/history.py: WholeHistory`), each in its own.
2. Sessions come by their last use, the longest unused first. One that is used meanwhile moves to the end: there it is
   exported if it was not before.
"""

from array import array
from collections.abc import AsyncGenerator

from chatkeep.chat.types import Message
from chatkeep.errors import NotFound
from chatkeep.runs.runtime import Runtime
from chatkeep.store import exporting, history
from chatkeep.store.history import WholeHistory

_PAGE_SESSIONS = 200
"""Sessions that are looked up at once."""


async def get_history(runtime: Runtime, owner: str, session_id: str, *, all_branches: bool) -> WholeHistory:
    """Return the history of the owner's session, to be read page by page.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    return await runtime.db.snapshot(
        lambda tx: history.get_whole(tx, owner, session_id, None, all_branches=all_branches)
    )


async def list_histories(runtime: Runtime, owner: str, *, all_branches: bool) -> AsyncGenerator[WholeHistory]:
    """Yield the history of each session of the owner once, without temporary ones. Deleted ones are left out."""
    last, seen = exporting.FIRST, array("q")  # eight bytes a session; looked through where one may have moved
    started_at = await runtime.db.snapshot(lambda tx: tx.now())
    while page := await runtime.db.snapshot(
        lambda tx, last=last: exporting.list_used_after(tx, owner, last, _PAGE_SESSIONS)
    ):
        for each in page:
            if each.updated_at >= started_at and each.key in seen:
                continue
            seen.append(each.key)
            try:
                yield await get_history(runtime, owner, each.id, all_branches=all_branches)
            except NotFound:
                continue
        last = page[-1]


async def read_messages(runtime: Runtime, owner: str, whole: WholeHistory) -> AsyncGenerator[list[Message]]:
    """Yield the messages of a history, oldest first, page by page.

    Raises:
        NotFound: the session has been deleted meanwhile.
    """
    for page in whole.pages:
        yield await runtime.db.snapshot(lambda tx, page=page: history.list_page(tx, owner, whole, page))
