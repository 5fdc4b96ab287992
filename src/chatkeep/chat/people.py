"""Users and the ways in which they sign in, as frozen values."""

from typing import Literal, TypeAlias

from chatkeep.chat.types import Value

LOCAL_USER = "local"
"""The id of the user that asks where no sign-in is set."""
PROXY_ISSUER = "proxy"
"""The issuer of users that a trusted proxy names."""
COMMAND_LINE = "command line"
"""The actor of changes made with `chatkeep user` and `chatkeep token`."""

UserRole: TypeAlias = Literal["user", "admin"]
Scope: TypeAlias = Literal["chat", "read", "metrics"]
WayIn: TypeAlias = Literal["local", "proxy", "jwt", "oidc", "token"]


class User(Value, frozen=True):
    """A user: `issuer` names who vouches for them, and `subject` is their name there. Both are null for `local`."""

    id: str
    issuer: str | None
    subject: str | None
    name: str | None
    role: UserRole
    disabled_at: str | None
    created_at: str
    seen_at: str | None


class Token(Value, frozen=True):
    """A user's own token, without its secret."""

    id: str
    name: str
    scope: Scope
    created_at: str
    expires_at: str | None
    used_at: str | None
    revoked_at: str | None


class AuditEntry(Value, frozen=True):
    """Something that was done about users: who did what to whom. Never content."""

    id: str
    at: str
    actor: str
    action: str
    object: str
    detail: dict[str, str | int]
    peer: str | None


class DeletionReceipt(Value, frozen=True):
    """Numbers of the things that were deleted with a user.

    `usage_days`: rows of usage, one for each day, model and assistant. Their sums stay, without a user.
    """

    sessions: int
    messages: int
    facts: int
    tokens: int
    sign_ins: int
    usage_days: int
    files: int


class Caller(Value, frozen=True):
    """Who makes a request, and how they are known.

    - `credential`: by which the database knows that their way in has ended: that of a token or a browser; else empty.
    - `expires_at`: from when on their way in is void; None for one without an end.
    """

    user_id: str
    role: UserRole
    way: WayIn
    scope: Scope = "chat"
    credential: str = ""
    expires_at: str | None = None
    name: str | None = None
    peer: str | None = None


LOCAL_CALLER = Caller(LOCAL_USER, "admin", "local")
"""The caller of every request where no sign-in is set."""
