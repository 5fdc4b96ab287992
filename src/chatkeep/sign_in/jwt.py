"""Tokens of others: JSON Web Tokens (RFC 7519, RFC 8725) that an app or an issuer has signed."""

from typing import Any, NamedTuple

from joserfc import jws, jwt
from joserfc.errors import JoseError

from chatkeep.sign_in.key_set import KeySet
from chatkeep.sign_in.refusals import Unauthenticated

LEEWAY_SECONDS = 60
"""How much the clocks of issuer and service may differ."""
MAX_TOKEN_CHARS = 8192
"""The longest token that is looked at."""
MAX_SUBJECT_CHARS = 255
"""The longest name of a user at an issuer (OpenID Connect Core §2, `sub`)."""
MAX_NAME_CHARS = 200
"""How much of a person's name is kept."""
_NAMES = ("name", "preferred_username", "email")


class Claims(NamedTuple):
    """Of whom a token is: `subject` is the user's name there. `expires_at` is in seconds since 1970."""

    subject: str
    name: str | None
    expires_at: int
    all: dict[str, Any]


class TokenIssuer:
    """An issuer whose tokens are taken."""

    def __init__(self, keys: KeySet, issuer: str, audience: str) -> None:
        self.issuer = issuer
        self._audience = audience
        self._keys = keys

    async def check(self) -> None:
        """Raise SignInUnavailable if there are no keys to verify tokens with."""
        await self._keys.refresh(is_missing=False)

    async def read(self, text: str) -> Claims:
        """Return of whom a token is.

        Its signature, issuer, audience and times are checked; it must have an end.

        Raises:
            Unauthenticated: it is not valid. The message says why, and shows nothing of it.
            SignInUnavailable: the keys cannot be read.
        """
        if len(text) > MAX_TOKEN_CHARS:
            raise Unauthenticated("the token is too long")
        try:
            header: dict[str, Any] = jws.extract_compact(text.encode()).headers()
            key = await self._keys.find(header.get("kid"))
            if key is None:
                raise Unauthenticated("the token's key is not known")
            if header.get("alg") != key.algorithm:
                raise Unauthenticated("the token's algorithm is not that of its key")
            claims: dict[str, Any] = jwt.decode(text, key.key, algorithms=[key.algorithm]).claims
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self._audience},
                exp={"essential": True},
                sub={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, AttributeError) as error:
            raise Unauthenticated(f"the token is not valid: {type(error).__name__}") from error
        return Claims(_subject(claims), _name(claims), int(claims["exp"]), claims)


def check_subject(subject: object) -> str:
    """Return a user's name at an issuer.

    Raises:
        Unauthenticated: it is empty, too long, or has characters that cannot be seen.
    """
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARS or not subject.isprintable():
        raise Unauthenticated(f"a user's name has 1 to {MAX_SUBJECT_CHARS} printable characters")
    return subject


def _subject(claims: dict[str, Any]) -> str:
    return check_subject(claims["sub"])


def _name(claims: dict[str, Any]) -> str | None:
    for each in _NAMES:
        name = claims.get(each)
        if isinstance(name, str) and name and name.isprintable():
            return name[:MAX_NAME_CHARS]
    return None
