"""Refusals of requests because of who makes them; part of the tree in `chatkeep.errors`."""

from typing import ClassVar

from chatkeep.errors import Refused


class Unauthenticated(Refused):
    """A request without a valid way in. RFC 6750 §3 has the header."""

    status, code, title = 401, "unauthenticated", "Sign in first"
    headers: ClassVar = {"www-authenticate": "Bearer"}


class Forbidden(Refused):
    """A request that the caller's role, or the scope of their token, does not allow."""

    status, code, title = 403, "forbidden", "Forbidden"


class AccountDisabled(Refused):
    """A request of a user who is disabled."""

    status, code, title = 403, "account_disabled", "Account disabled"


class UntrustedProxy(Refused):
    """A user's name in a proxy's header, from a peer that is not in `CHATKEEP_TRUSTED_PROXIES`."""

    status, code, title = 400, "untrusted_proxy", "Untrusted proxy"


class SignInUnavailable(Refused):
    """A sign-in that cannot be checked for now: its issuer cannot be reached."""

    status, code, title = 503, "sign_in_unavailable", "Sign-in unavailable"
    headers: ClassVar = {"retry-after": "10"}
