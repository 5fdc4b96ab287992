"""The words of `chatkeep user …` and `chatkeep token …`. It imports little, so that `--help` answers at once."""

import argparse
import re
from decimal import Decimal

from chatkeep.chat.limits import MAX_LIMIT
from chatkeep.chat.people import LOCAL_USER
from chatkeep.cli.operating import AddParser


def add_people_commands(add: AddParser) -> None:
    """Add both commands to those of the command line."""
    user = add("user", help="list, add, change and join users").add_subparsers(required=True, metavar="what")
    _add(user.add_parser, "user", "list", "all users, a line each")
    new = _add(user.add_parser, "user", "add", "a user before they come for the first time; prints the line of `list`")
    new.add_argument("issuer", help="the issuer of their tokens; `proxy` for the user of a trusted proxy")
    new.add_argument("subject", help="their name there")
    new.add_argument("--name", help="as they are shown")
    role = _add(user.add_parser, "user", "role", "make a user an admin, or a plain user")
    role.add_argument("user", metavar="ID")
    role.add_argument("role", choices=["user", "admin"])
    _add(user.add_parser, "user", "disable", "shut a user out and end their streams").add_argument("user", metavar="ID")
    _add(user.add_parser, "user", "enable", "let a user in again").add_argument("user", metavar="ID")
    limit = _add(user.add_parser, "user", "limit", "show a user's own limits, and change those that are named")
    limit.add_argument("user", metavar="ID")
    limit.add_argument("--open-runs", type=_limit, metavar="N", help="answers at a time")
    limit.add_argument("--messages-hour", type=_limit, metavar="N", help="messages an hour")
    limit.add_argument("--tokens-day", type=_limit, metavar="N", help="tokens a day (UTC)")
    limit.add_argument("--cost-day", type=_cost, metavar="X", help="cost a day, such as 0.5; `default`: the setting's")
    adopt = _add(user.add_parser, "user", "adopt", "give everything of one user to another, for whom it then stands")
    adopt.add_argument("source", metavar="FROM", help="a user's id; `local` for what was said before there was sign-in")
    adopt.add_argument("target", metavar="TO", help="a user's id")

    token = add("token", help="make, list and revoke users' tokens").add_subparsers(required=True, metavar="what")
    create = _add(token.add_parser, "token", "create", "print a new token; it is shown this once")
    create.add_argument("name", help="what it is for")
    create.add_argument("--user", required=True, metavar="ID", help="whose it is")
    create.add_argument("--scope", choices=["chat", "read", "metrics"], default="chat", help="(default: %(default)s)")
    create.add_argument("--days", type=_days, metavar="N", help="after how many days it is void (default: never)")
    listing = _add(token.add_parser, "token", "list", "a user's tokens, a line each, without their secrets")
    listing.add_argument("--user", default=LOCAL_USER, metavar="ID", help="whose (default: %(default)s)")
    _add(token.add_parser, "token", "revoke", "make a token void").add_argument("token", metavar="ID")


def _add(add: AddParser, noun: str, verb: str, text: str) -> argparse.ArgumentParser:
    parser = add(verb, help=text)
    parser.set_defaults(run=_run, command=f"{noun} {verb}")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from chatkeep.cli import people
    from chatkeep.settings import load_settings

    return people.run(load_settings(), arguments.command, arguments)


def _limit(text: str) -> int | str:
    if text == "default":
        return text
    if not (text.isascii() and text.isdecimal() and int(text) <= MAX_LIMIT):
        raise argparse.ArgumentTypeError("a number, or `default`")
    return int(text)


def _cost(text: str) -> int | str:
    if text == "default":
        return text
    if not re.fullmatch(r"\d{1,6}(\.\d{1,9})?", text, re.ASCII):
        raise argparse.ArgumentTypeError("an amount such as 0.5, below 1000000; or `default`")
    return int(Decimal(text) * 10**9)


def _days(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 3650):
        raise argparse.ArgumentTypeError("days, 1 to 3650")
    return int(text)
