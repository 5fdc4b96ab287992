"""Checks the settings of sign-in: those that go together are all set, or none of them."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chatkeep.errors import CannotStart
from chatkeep.settings.peers import NO_PEERS

if TYPE_CHECKING:
    from chatkeep.settings import Settings

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_RESERVED_ISSUER = "proxy"  # of users whom a trusted proxy names (chat/people.py)


def check_ways_in(settings: "Settings") -> None:
    """Check what the settings of sign-in say together.

    Raises:
        CannotStart: one is missing, or cannot be used.
    """
    if settings.proxy_user_header is not None and settings.trusted_proxies == NO_PEERS:
        raise CannotStart("CHATKEEP_PROXY_USER_HEADER needs CHATKEEP_TRUSTED_PROXIES: from others it is not believed")
    jwt = {
        "CHATKEEP_JWT_KEYS": settings.jwt_keys,
        "CHATKEEP_JWT_ISSUER": settings.jwt_issuer,
        "CHATKEEP_JWT_AUDIENCE": settings.jwt_audience,
    }
    missing = [name for name, value in jwt.items() if value is None]
    if missing and len(missing) < len(jwt):
        raise CannotStart(f"{missing[0]}: the three settings CHATKEEP_JWT_… go together")
    _check_oidc(settings)
    if settings.jwt_issuer == _RESERVED_ISSUER:
        raise CannotStart("CHATKEEP_JWT_ISSUER: 'proxy' stands for the users of a trusted proxy; use another name")
    if settings.jwt_keys and "://" not in settings.jwt_keys and not Path(settings.jwt_keys).is_file():
        raise CannotStart("CHATKEEP_JWT_KEYS: there is no such file, and it is no URL (https://…)")
    if settings.jwt_keys and "://" in settings.jwt_keys and not settings.jwt_keys.startswith(("https://", "http://")):
        raise CannotStart("CHATKEEP_JWT_KEYS: a URL begins with https:// or http://")


def _check_oidc(settings: "Settings") -> None:
    if settings.oidc_issuer is None and settings.oidc_client_id is None and settings.oidc_client_secret is None:
        return
    if settings.oidc_issuer is None or settings.oidc_client_id is None or settings.public_url is None:
        raise CannotStart("CHATKEEP_OIDC_ISSUER, CHATKEEP_OIDC_CLIENT_ID and CHATKEEP_PUBLIC_URL go together")
    for name, url in (("OIDC_ISSUER", settings.oidc_issuer), ("PUBLIC_URL", settings.public_url.origin)):
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise CannotStart(f"CHATKEEP_{name}: sign-in needs https://; only this machine may do without")
