"""The table `tokens`: users' own tokens, each kept as the hash of its secret."""

from typing import NamedTuple

from chatkeep.chat.people import Token, User
from chatkeep.db import Transaction, can_be_repeated
from chatkeep.store.users import user_from_row

_COLUMNS = "id, name, scope, created_at, expires_at, used_at, revoked_at"


class StoredToken(NamedTuple):
    """A token, the hash of its secret, and whose it is."""

    token: Token
    hash: str
    user: User


async def add_token(tx: Transaction, user_id: str, token: Token, token_hash: str) -> None:
    """Store a new token of a user."""
    tx.prove(can_be_repeated)
    await tx.run(
        """INSERT INTO tokens (id, user_id, name, hash, scope, created_at, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING""",
        token.id,
        user_id,
        token.name,
        token_hash,
        token.scope,
        token.created_at,
        token.expires_at,
    )


async def find_token(tx: Transaction, token_id: str) -> StoredToken | None:
    """Return the token with that id, if there is one."""
    row = await tx.one(
        """SELECT t.hash, t.id, t.name, t.scope, t.created_at, t.expires_at, t.used_at, t.revoked_at,
                  u.id, u.issuer, u.subject, u.name, u.role, u.disabled_at, u.created_at, u.seen_at
             FROM tokens t JOIN users w ON w.id = t.user_id JOIN users u ON u.id = COALESCE(w.joined_to, w.id)
            WHERE t.id = $1""",
        token_id,
    )
    return StoredToken(Token(*row[1:8]), row[0], user_from_row(row[8:])) if row else None


async def list_tokens(tx: Transaction, user_id: str, limit: int, before: str) -> list[Token]:
    """Return at most `limit` tokens of a user, newest first; only those older than the id `before`."""
    rows = await tx.all(
        f"SELECT {_COLUMNS} FROM tokens WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        user_id,
        before,
        limit,
    )
    return [Token(*row) for row in rows]


async def note_used(tx: Transaction, token_id: str) -> None:
    """Store that a token was used now."""
    tx.prove(can_be_repeated)
    await tx.run("UPDATE tokens SET used_at = $2 WHERE id = $1", token_id, await tx.now())


async def revoke(tx: Transaction, token_id: str, user_id: str) -> bool:
    """Make a token of the user void from now on. Return False if they have no such token, or it was void already."""
    tx.prove(can_be_repeated)
    row = await tx.one(
        """UPDATE tokens SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING id""",
        token_id,
        user_id,
        await tx.now(),
    )
    return row is not None


async def find_owner(tx: Transaction, token_id: str) -> str | None:
    """Return the id of the user that a token is of; None if there is no such token."""
    row = await tx.one("SELECT user_id FROM tokens WHERE id = $1", token_id)
    return row[0] if row else None


async def delete_tokens(tx: Transaction, user_id: str) -> int:
    """Delete all tokens of a user, and return how many they were."""
    tx.prove(can_be_repeated)
    return len(await tx.all("DELETE FROM tokens WHERE user_id = $1 RETURNING id", user_id))
