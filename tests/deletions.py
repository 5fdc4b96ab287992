"""Sessions that are gone altogether, as they are some time after their deletion."""

import asyncio

from chatkeep.db import Database, Transaction
from chatkeep.store import removal, sessions


async def delete_now(tx: Transaction, owner: str, session_id: str) -> None:
    """Delete the session and remove all its rows."""
    await sessions.delete_session(tx, owner, session_id)
    while await removal.remove_page(tx, session_id):
        pass


async def until_gone(db: Database) -> None:
    """Wait until the service has removed the rows of all deleted sessions."""
    async with asyncio.timeout(30):
        while await db.snapshot(removal.list_deleted):
            await asyncio.sleep(0.005)
