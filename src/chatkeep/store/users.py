"""The table `users`: those who own sessions and facts. A user is an issuer and a subject, never an e-mail address.

One person who comes in by two ways is two users, until `join` makes the one stand for the other.
"""

from chatkeep.chat.people import User, UserRole
from chatkeep.db import Row, Transaction, can_be_repeated
from chatkeep.errors import InvalidRequest, NotFound
from chatkeep.store import holds, limits, search_backlog
from chatkeep.store.files import move_files
from chatkeep.store.message_files import move_references
from chatkeep.store.usage import move_usage

COLUMNS = "id, issuer, subject, name, role, disabled_at, created_at, seen_at"
_PREFIXED = "u.id, u.issuer, u.subject, u.name, u.role, u.disabled_at, u.created_at, u.seen_at"


async def find_user(tx: Transaction, user_id: str) -> User | None:
    """Return the user with that id, if there is one."""
    row = await tx.one(f"SELECT {COLUMNS} FROM users WHERE id = $1", user_id)
    return user_from_row(row) if row else None


async def get_user(tx: Transaction, user_id: str) -> User:
    """Return the user with that id.

    Raises:
        NotFound: there is none.
    """
    if user := await find_user(tx, user_id):
        return user
    raise NotFound(f"no user {user_id}")


async def find_by_subject(tx: Transaction, issuer: str, subject: str) -> User | None:
    """Return the user for whom `issuer` vouches under the name `subject`, or the one that they were joined to."""
    row = await tx.one(
        f"""SELECT {_PREFIXED} FROM users w JOIN users u ON u.id = COALESCE(w.joined_to, w.id)
             WHERE w.issuer = $1 AND w.subject = $2""",
        issuer,
        subject,
    )
    return user_from_row(row) if row else None


async def list_users(tx: Transaction, limit: int, after: str) -> list[User]:
    """Return at most `limit` users in the order of their ids, those after the id `after`; "" for the first ones."""
    rows = await tx.all(f"SELECT {COLUMNS} FROM users WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
    return [user_from_row(row) for row in rows]


async def add_user(tx: Transaction, user: User) -> bool:
    """Store a new user. Return False if there is one with this issuer and subject."""
    tx.prove(can_be_repeated)
    row = await tx.one(
        f"""INSERT INTO users ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT DO NOTHING RETURNING id""",
        user.id,
        user.issuer,
        user.subject,
        user.name,
        user.role,
        user.disabled_at,
        user.created_at,
        user.seen_at,
    )
    return row is not None


async def note_seen(tx: Transaction, user_id: str, name: str | None) -> None:
    """Store that the user was here now, and their name, if there is a new one."""
    tx.prove(can_be_repeated)
    await tx.run(
        "UPDATE users SET seen_at = $2, name = COALESCE($3, name) WHERE id = $1", user_id, await tx.now(), name
    )


async def set_role(tx: Transaction, user_id: str, role: UserRole) -> None:
    """Give a user a role."""
    tx.prove(can_be_repeated)
    await tx.run("UPDATE users SET role = $2 WHERE id = $1", user_id, role)


async def set_disabled(tx: Transaction, user_id: str, *, disabled: bool) -> None:
    """Disable a user from now on, or enable them again."""
    tx.prove(can_be_repeated)
    at = await tx.now() if disabled else None
    await tx.run("UPDATE users SET disabled_at = $2 WHERE id = $1", user_id, at)


async def join(tx: Transaction, from_id: str, to_id: str) -> int:
    """Give all sessions, facts, files and usage of one user to another, whose limits stay; return how many sessions.

    From then on, who signs in as the first is the second. `local` is only emptied: no one signs in as that.

    Raises:
        NotFound: there is no such user.
        InvalidRequest: it is the same one, or the second was joined to another itself.
    """
    await get_user(tx, from_id)
    await get_user(tx, to_id)
    if from_id == to_id or await tx.one("SELECT id FROM users WHERE id = $1 AND joined_to IS NOT NULL", to_id):
        raise InvalidRequest(f"{to_id} is the same user, or stands for another one itself")
    tx.prove(can_be_repeated)
    moved = await tx.all("UPDATE sessions SET owner = $2 WHERE owner = $1 RETURNING session_key", from_id, to_id)
    await search_backlog.add_all(tx, to_id)
    await tx.run(
        """INSERT INTO facts (owner, id, text, created_at) SELECT $2, id, text, created_at FROM facts WHERE owner = $1
           ON CONFLICT DO NOTHING""",
        from_id,
        to_id,
    )
    await tx.run("DELETE FROM facts WHERE owner = $1", from_id)
    await move_usage(tx, from_id, to_id)
    await holds.move_holds(tx, from_id, to_id)
    await limits.delete_own(tx, from_id)
    await move_references(tx, from_id, to_id)
    await move_files(tx, from_id, to_id)
    await tx.run("UPDATE users SET joined_to = $2 WHERE joined_to = $1", from_id, to_id)
    await tx.run("UPDATE users SET joined_to = $2 WHERE id = $1 AND issuer IS NOT NULL", from_id, to_id)
    return len(moved)


async def delete_user(tx: Transaction, user_id: str) -> None:
    """Delete a user, their limits, and the ways in that were joined to them. `local` stays."""
    tx.prove(can_be_repeated)
    await limits.delete_own(tx, user_id)
    await holds.delete_holds(tx, user_id)
    await tx.run("DELETE FROM users WHERE joined_to = $1", user_id)
    await tx.run("DELETE FROM users WHERE id = $1 AND issuer IS NOT NULL", user_id)


def user_from_row(row: Row) -> User:
    """Return the user of a row of `COLUMNS`."""
    return User(*row)
