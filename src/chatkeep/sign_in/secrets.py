"""Secrets of our own: users' tokens, `ck_ID_SECRET`, and cookies.

A secret is 32 random bytes. So a plain SHA-256 is enough to keep: no dictionary has it.
"""

import hashlib
import hmac
import re
import secrets
import uuid
from typing import NamedTuple

from chatkeep import ids

PREFIX = "ck_"
"""How each token begins, so that it is known from others, and by scanners of leaked secrets."""
_TOKEN = re.compile(r"ck_([0-9a-f]{32})_([A-Za-z0-9_-]{43})", re.ASCII)


class NewToken(NamedTuple):
    """A token as it is shown once, its id, and the hash by which it is known later."""

    text: str
    id: str
    hash: str


class ParsedToken(NamedTuple):
    """The id and secret of a token."""

    id: str
    secret: str


def new_token() -> NewToken:
    """Return a new token. Ids made later sort later."""
    token_id, secret = ids.new(), new_secret()
    return NewToken(f"{PREFIX}{token_id.replace('-', '')}_{secret}", token_id, hash_of(secret))


def parse_token(text: str) -> ParsedToken | None:
    """Return the parts of a token; None if it has another form."""
    match = _TOKEN.fullmatch(text)
    return ParsedToken(str(uuid.UUID(match[1])), match[2]) if match else None


def new_secret() -> str:
    """Return a new secret: 43 letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """Return the SHA-256 of a secret, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def has_hash(secret: str, expected: str) -> bool:
    """Return True if the secret's hash is `expected`, in a time that does not tell how much of it is right."""
    return hmac.compare_digest(hash_of(secret), expected)
