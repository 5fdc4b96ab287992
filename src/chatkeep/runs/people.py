"""Changes of users: their tokens and roles, joining, and the end of everything of theirs.

Each leaves a line in the table `audit`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from chatkeep import clock
from chatkeep.chat.people import Caller, DeletionReceipt, Scope, Token, User, UserRole
from chatkeep.db import Database, Transaction
from chatkeep.errors import NotFound
from chatkeep.runs.cancel import delete_session
from chatkeep.runs.runtime import Runtime
from chatkeep.sign_in import secrets
from chatkeep.store import audit as store_audit
from chatkeep.store import facts as store_facts
from chatkeep.store import files as store_files
from chatkeep.store import limits as store_limits
from chatkeep.store import sessions as store_sessions
from chatkeep.store import sign_ins as store_sign_ins
from chatkeep.store import tokens as store_tokens
from chatkeep.store import usage as store_usage
from chatkeep.store import users as store_users
from chatkeep.store.temporary import keep_temporary

TOPIC = "sign-ins"
"""The notifier's topic: a way in has ended, or a user was disabled."""
SECONDS_OF_A_DAY = 86_400
NO_CHANGES: Mapping[str, int | None] = MappingProxyType({})
PAGE_SIZE = 100
"""How many sessions are looked up at once when all are deleted."""


async def create_token(
    db: Database, user_id: str, name: str, scope: Scope, days: int | None, *, actor: str, peer: str | None = None
) -> tuple[Token, str]:
    """Make a token of a user, which is void after `days`, and return it with its text.

    Raises:
        NotFound: there is no such user.
    """
    new = secrets.new_token()

    async def write(tx: Transaction) -> Token:
        await store_users.get_user(tx, user_id)
        now = await tx.now()
        expires_at = clock.add_seconds(now, days * SECONDS_OF_A_DAY) if days else None
        token = Token(new.id, name, scope, now, expires_at, None, None)
        await store_tokens.add_token(tx, user_id, token, new.hash)
        await store_audit.add_entry(tx, actor, "token.created", new.id, peer, scope=scope)
        return token

    return await db.transaction(write), new.text


async def revoke_token(
    db: Database, user_id: str | None, token_id: str, *, actor: str, peer: str | None = None
) -> bool:
    """Revoke a token of the user; of any user, without one. Return False if there is none that could be revoked."""

    async def write(tx: Transaction) -> bool:
        owner = user_id or await store_tokens.find_owner(tx, token_id)
        if owner is None or not await store_tokens.revoke(tx, token_id, owner):
            return False
        await store_audit.add_entry(tx, actor, "token.revoked", token_id, peer)
        return True

    return await db.transaction(write)


async def change_user(
    db: Database,
    user_id: str,
    *,
    role: UserRole | None = None,
    disabled: bool | None = None,
    limits: Mapping[str, int | None] = NO_CHANGES,
    actor: str,
    peer: str | None = None,
) -> User:
    """Give a user a role or limits, disable or enable them; None changes nothing. Return them as they are then.

    `limits` are those that change, by name; None for one: the setting's holds again.

    Raises:
        NotFound: there is no such user.
    """

    async def write(tx: Transaction) -> User:
        user = await store_users.get_user(tx, user_id)
        if role is not None and role != user.role:
            await store_users.set_role(tx, user_id, role)
            await store_audit.add_entry(tx, actor, "user.role", user_id, peer, role=role)
        if disabled is not None and disabled != (user.disabled_at is not None):
            await store_users.set_disabled(tx, user_id, disabled=disabled)
            await store_audit.add_entry(tx, actor, "user.disabled" if disabled else "user.enabled", user_id, peer)
        if limits:
            await store_limits.set_own(tx, user_id, replace(await store_limits.lock_own(tx, user_id), **limits))
            detail = {name: "default" if most is None else most for name, most in limits.items()}
            await store_audit.add_entry(tx, actor, "user.limits", user_id, peer, **detail)
        return await store_users.get_user(tx, user_id)

    return await db.transaction(write)


async def join_users(db: Database, from_id: str, to_id: str, *, actor: str) -> int:
    """Give everything of one user to another, for whom the first stands from then on; return how many sessions.

    Raises:
        NotFound, InvalidRequest: see `store_users.join`.
    """

    async def write(tx: Transaction) -> int:
        sessions = await store_users.join(tx, from_id, to_id)
        await store_audit.add_entry(tx, actor, "user.joined", from_id, None, to=to_id, sessions=sessions)
        return sessions

    return await db.transaction(write)


async def delete_everything(runtime: Runtime, caller: Caller) -> DeletionReceipt:
    """Delete the caller's sessions, one by one, then their facts, files, tokens and themselves; return what it was.

    Cut off in the middle, it can be repeated: what is gone by then is not counted again.
    """
    user_id, sessions, messages = caller.user_id, 0, 0
    await runtime.db.transaction(lambda tx: keep_temporary(tx, user_id))
    while page := await runtime.db.snapshot(lambda tx: store_sessions.list_sessions(tx, user_id, PAGE_SIZE, None)):
        for session in page:
            try:
                await delete_session(runtime, user_id, session.id)
            except NotFound:
                continue  # another request has deleted it
            sessions += 1
            messages += session.message_count

    async def write(tx: Transaction) -> DeletionReceipt:
        receipt = DeletionReceipt(
            sessions=sessions,
            messages=messages,
            facts=await store_facts.delete_facts(tx, user_id),
            tokens=await store_tokens.delete_tokens(tx, user_id),
            sign_ins=await store_sign_ins.delete_sign_ins(tx, user_id),
            usage_days=await store_usage.move_usage(tx, user_id, store_usage.DELETED),
            files=await store_files.drop_all(tx, user_id),
        )
        await store_users.delete_user(tx, user_id)
        await store_audit.add_entry(
            tx, user_id, "user.deleted", user_id, caller.peer, sessions=sessions, facts=receipt.facts
        )
        return receipt

    return await runtime.db.transaction(write)
