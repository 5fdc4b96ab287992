"""The table `sign_ins`: the browsers in which users are signed in, each by the hash of its cookie.

Also a statement over all ways in: those that have ended of late.
"""

from typing import NamedTuple

from chatkeep.chat.people import User
from chatkeep.db import Transaction, can_be_repeated
from chatkeep.store.users import user_from_row


class SignIn(NamedTuple):
    """A browser in which a user is signed in."""

    user: User
    seen_at: str
    expires_at: str
    ended_at: str | None


async def add_sign_in(tx: Transaction, cookie_hash: str, user_id: str, expires_at: str) -> None:
    """Store that a user has signed in now."""
    tx.prove(can_be_repeated)
    await tx.run(
        """INSERT INTO sign_ins (hash, user_id, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $3, $4)
           ON CONFLICT DO NOTHING""",
        cookie_hash,
        user_id,
        await tx.now(),
        expires_at,
    )


async def find_sign_in(tx: Transaction, cookie_hash: str) -> SignIn | None:
    """Return the sign-in of a cookie, if there is one."""
    row = await tx.one(
        """SELECT s.seen_at, s.expires_at, s.ended_at,
                  u.id, u.issuer, u.subject, u.name, u.role, u.disabled_at, u.created_at, u.seen_at
             FROM sign_ins s JOIN users w ON w.id = s.user_id JOIN users u ON u.id = COALESCE(w.joined_to, w.id)
            WHERE s.hash = $1""",
        cookie_hash,
    )
    return SignIn(user_from_row(row[3:]), *row[:3]) if row else None


async def note_seen(tx: Transaction, cookie_hash: str) -> None:
    """Store that the browser was seen now."""
    tx.prove(can_be_repeated)
    await tx.run("UPDATE sign_ins SET seen_at = $2 WHERE hash = $1", cookie_hash, await tx.now())


async def end_sign_in(tx: Transaction, cookie_hash: str) -> None:
    """Sign a browser out."""
    tx.prove(can_be_repeated)
    await tx.run("UPDATE sign_ins SET ended_at = $2 WHERE hash = $1 AND ended_at IS NULL", cookie_hash, await tx.now())


async def delete_sign_ins(tx: Transaction, user_id: str) -> int:
    """Delete all sign-ins of a user, and return how many they were."""
    tx.prove(can_be_repeated)
    return len(await tx.all("DELETE FROM sign_ins WHERE user_id = $1 RETURNING hash", user_id))


async def delete_expired(tx: Transaction) -> None:
    """Delete sign-ins that are past their end."""
    tx.prove(can_be_repeated)
    await tx.run("DELETE FROM sign_ins WHERE expires_at < $1", await tx.now())


async def list_ended(tx: Transaction, since: str) -> list[str]:
    """Return the ids of users that were disabled, and the credentials that have ended, after the time `since`."""
    rows = await tx.all(
        """SELECT id FROM users WHERE disabled_at > $1
           UNION ALL SELECT 'token ' || id FROM tokens WHERE revoked_at > $1
           UNION ALL SELECT 'cookie ' || hash FROM sign_ins WHERE ended_at > $1""",
        since,
    )
    return [row[0] for row in rows]
