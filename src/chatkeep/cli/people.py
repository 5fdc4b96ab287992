"""`chatkeep user …` and `chatkeep token …`: users and tokens, in the database itself, beside a running service."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from chatkeep import ids
from chatkeep.api.ways_in import Vouched, add_user
from chatkeep.chat.limits import LIMIT_NAMES
from chatkeep.chat.people import COMMAND_LINE, Token, User
from chatkeep.db import Database
from chatkeep.errors import CannotStart, InvalidRequest, NotFound
from chatkeep.runs import people
from chatkeep.runs.loading import open_database
from chatkeep.settings import Settings
from chatkeep.store import limits as store_limits
from chatkeep.store import tokens as store_tokens
from chatkeep.store import users as store_users
from chatkeep.text import printable

PAGE_SIZE = 500
"""Rows that are read at once."""

Command: TypeAlias = Callable[[Database, argparse.Namespace], Awaitable[None]]


def run(settings: Settings, command: str, arguments: argparse.Namespace) -> int:
    """Run a command and return the exit status. A running service sees the change at its next look.

    Raises:
        CannotStart: the database cannot be used, or there is no such user or token.
    """
    asyncio.run(_run(settings, COMMANDS[command], arguments))
    return 0


async def _run(settings: Settings, command: Command, arguments: argparse.Namespace) -> None:
    db = await open_database(settings)
    try:
        await command(db, arguments)
    except (NotFound, InvalidRequest) as error:
        raise CannotStart(error.detail) from None
    finally:
        await db.close()


async def _list_users(db: Database, arguments: argparse.Namespace) -> None:
    del arguments
    after = ""
    while page := await db.snapshot(lambda tx, after=after: store_users.list_users(tx, PAGE_SIZE, after)):
        for user in page:
            _show_user(user)
        after = page[-1].id


async def _add_user(db: Database, arguments: argparse.Namespace) -> None:
    vouched = Vouched(arguments.issuer, arguments.subject, arguments.name)
    _show_user(await db.transaction(lambda tx: add_user(tx, vouched, COMMAND_LINE)))


async def _set_role(db: Database, arguments: argparse.Namespace) -> None:
    _show_user(await people.change_user(db, arguments.user, role=arguments.role, actor=COMMAND_LINE))


async def _disable(db: Database, arguments: argparse.Namespace) -> None:
    _show_user(await people.change_user(db, arguments.user, disabled=True, actor=COMMAND_LINE))


async def _enable(db: Database, arguments: argparse.Namespace) -> None:
    _show_user(await people.change_user(db, arguments.user, disabled=False, actor=COMMAND_LINE))


async def _limit(db: Database, arguments: argparse.Namespace) -> None:
    named = {name: getattr(arguments, name) for name in LIMIT_NAMES if getattr(arguments, name) is not None}
    limits = {name: None if most == "default" else most for name, most in named.items()}
    user = await people.change_user(db, arguments.user, limits=limits, actor=COMMAND_LINE)
    own = await db.snapshot(lambda tx: store_limits.find_own(tx, user.id))
    for name in LIMIT_NAMES:
        most = getattr(own, name)
        shown = "default" if most is None else f"{most / 10**9:g}" if name == "cost_day" else str(most)
        print(f"{name:<15}{shown}")


async def _adopt(db: Database, arguments: argparse.Namespace) -> None:
    sessions = await people.join_users(db, arguments.source, arguments.target, actor=COMMAND_LINE)
    print(f"{sessions} sessions of {arguments.source} are {arguments.target}'s")


async def _create_token(db: Database, arguments: argparse.Namespace) -> None:
    _, text = await people.create_token(
        db, arguments.user, arguments.name, arguments.scope, arguments.days, actor=COMMAND_LINE
    )
    print(text)


async def _list_tokens(db: Database, arguments: argparse.Namespace) -> None:
    user = await db.snapshot(lambda tx: store_users.get_user(tx, arguments.user))
    before = ids.LARGEST
    while page := await db.snapshot(lambda tx, before=before: store_tokens.list_tokens(tx, user.id, PAGE_SIZE, before)):
        for token in page:
            print("  ".join((token.id, f"{token.scope:<7}", _state_of(token), printable(token.name))))
        before = page[-1].id


async def _revoke_token(db: Database, arguments: argparse.Namespace) -> None:
    if not await people.revoke_token(db, None, arguments.token, actor=COMMAND_LINE):
        raise NotFound(f"no token {arguments.token} that could be revoked")
    print(f"{arguments.token} is revoked")


def _show_user(user: User) -> None:
    state = f"disabled {user.disabled_at}" if user.disabled_at else f"seen {user.seen_at or 'never'}"
    who = " ".join(each for each in (user.issuer, user.subject, user.name) if each)
    print("  ".join((user.id, f"{user.role:<5}", state, printable(who))))


def _state_of(token: Token) -> str:
    if token.revoked_at:
        return f"revoked {token.revoked_at}"
    return f"until {token.expires_at}" if token.expires_at else "without an end"


COMMANDS: dict[str, Command] = {
    "user list": _list_users,
    "user add": _add_user,
    "user role": _set_role,
    "user disable": _disable,
    "user enable": _enable,
    "user limit": _limit,
    "user adopt": _adopt,
    "token create": _create_token,
    "token list": _list_tokens,
    "token revoke": _revoke_token,
}
"""The commands by their words."""
