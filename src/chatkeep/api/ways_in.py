"""The ways in: from a request's headers to the user who makes it.

In this order, and the first one counts:

    Authorization: Bearer ck_…      a user's own token
    Authorization: Bearer …         a token of an app (CHATKEEP_JWT_KEYS)
    a signed-in browser's cookie    its user (CHATKEEP_OIDC_ISSUER)
    a trusted proxy's header        its user (CHATKEEP_PROXY_USER_HEADER)
    nothing of it is set            `local`

1. A way that is not valid is refused: the next one is not tried in its place.
2. A proxy's header from any other peer is refused, not ignored: a proxy that is not on the list, or an attack.
3. A user who comes for the first time gets a row. Each way is looked up at each request, so that it can end at once.
"""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from starlette.datastructures import Headers

from chatkeep import clock, ids
from chatkeep.api.cookies import IDLE_SECONDS, Cookies
from chatkeep.chat.people import LOCAL_CALLER, PROXY_ISSUER, Caller, Scope, User, WayIn
from chatkeep.db import Database, Transaction
from chatkeep.errors import CannotStart, StorageFailed
from chatkeep.settings import Settings
from chatkeep.sign_in import secrets
from chatkeep.sign_in.jwt import TokenIssuer, check_subject
from chatkeep.sign_in.key_set import KeySet, is_url, parse_keys
from chatkeep.sign_in.oidc import OidcClient
from chatkeep.sign_in.refusals import AccountDisabled, Unauthenticated, UntrustedProxy
from chatkeep.store import audit as store_audit
from chatkeep.store import sign_ins as store_sign_ins
from chatkeep.store import tokens as store_tokens
from chatkeep.store import users as store_users

_log = logging.getLogger("chatkeep")

SEEN_SECONDS = 600
"""How exact the time is at which a browser was last seen."""
NOTED_SECONDS = 3600
"""How exact the times are at which users and tokens were last seen."""


class Vouched(NamedTuple):
    """A user as an issuer names them."""

    issuer: str
    subject: str
    name: str | None


class BrowserSignIn(NamedTuple):
    """How browsers sign in: at an issuer, whose client we are, and with which cookies."""

    client: OidcClient
    cookies: Cookies
    login_path: str


class WaysIn:
    """The ways in that the settings open."""

    def __init__(self, settings: Settings) -> None:
        """Raise CannotStart if a file of keys cannot be used."""
        self._is_open = not settings.has_sign_in
        self._header = settings.proxy_user_header
        self._proxies = settings.trusted_proxies
        self._app = _app_issuer(settings)
        self.browser = _browser_sign_in(settings)

    @property
    def issuers(self) -> list[OidcClient | TokenIssuer]:
        """Those who vouch for users. `check` asks them for their keys."""
        return [each for each in (self.browser and self.browser.client, self._app) if each is not None]

    async def identify(self, db: Database, headers: Headers, peer: str | None) -> Caller:
        """Return who makes a request with these headers. `peer` is the address it comes from; None: a unix socket.

        Raises:
            Unauthenticated, AccountDisabled, UntrustedProxy, SignInUnavailable: it is refused.
        """
        if self._is_open:
            return LOCAL_CALLER
        named = self._named_by_proxy(headers, peer)
        kind, _, credentials = headers.get("authorization", "").partition(" ")
        token = credentials.strip() if kind.lower() == "bearer" else ""
        if token.startswith(secrets.PREFIX):
            caller = await _find_token(db, token, peer)
        elif token and self._app is not None:
            claims = await self._app.read(token)
            user = await sign_in(db, Vouched(self._app.issuer, claims.subject, claims.name), "jwt", peer)
            caller = _caller(user, "jwt", peer, expires_at=clock.from_timestamp(claims.expires_at))
        elif self.browser is not None and (cookie := self.browser.cookies.read(headers, self.browser.cookies.sign_in)):
            caller = await _find_browser(db, cookie, peer, self._where_to)
        elif named is not None:
            caller = _caller(await sign_in(db, Vouched(PROXY_ISSUER, named, None), "proxy", peer), "proxy", peer)
        else:
            raise Unauthenticated("this service asks who you are", **self._where_to)
        return caller

    @property
    def _where_to(self) -> dict[str, str]:
        """Where a browser signs in, as a field of the problem document."""
        return {"sign_in": self.browser.login_path} if self.browser else {}

    def _named_by_proxy(self, headers: Headers, peer: str | None) -> str | None:
        names = headers.getlist(self._header) if self._header else []
        if not names:
            return None
        if not self._proxies.has(peer):
            raise UntrustedProxy(f"{self._header} comes from a peer that is not in CHATKEEP_TRUSTED_PROXIES")
        if len(names) > 1:
            raise UntrustedProxy(f"{self._header} comes twice: the proxy does not remove the client's own")
        try:
            name = names[0].encode("latin-1").decode()
        except UnicodeDecodeError:
            raise Unauthenticated(f"{self._header} is not UTF-8") from None
        return check_subject(name) if name else None


async def sign_in(db: Database, vouched: Vouched, way: WayIn, peer: str | None) -> User:
    """Return the user whom an issuer names; one who comes for the first time is added.

    Raises:
        AccountDisabled: they are disabled.
    """
    user = await db.snapshot(lambda tx: store_users.find_by_subject(tx, vouched.issuer, vouched.subject))
    if user is None:
        user = await db.transaction(lambda tx: add_user(tx, vouched, way, peer))
    if user.disabled_at is not None:
        raise AccountDisabled("this user is disabled")
    is_renamed = vouched.name is not None and vouched.name != user.name
    if is_renamed or _is_older(user.seen_at, NOTED_SECONDS):
        user_id = user.id
        await _note(db, lambda tx: store_users.note_seen(tx, user_id, vouched.name))
    return user


async def add_user(tx: Transaction, vouched: Vouched, actor: str, peer: str | None = None) -> User:
    """Add a user and return them; if another process was faster, the one that it has added."""
    now = await tx.now()
    new = User(ids.new(), vouched.issuer, vouched.subject, vouched.name, "user", None, now, None)
    if await store_users.add_user(tx, new):
        await store_audit.add_entry(tx, actor, "user.added", new.id, peer)
        return new
    found = await store_users.find_by_subject(tx, vouched.issuer, vouched.subject)
    assert found is not None, "the insert met this row"
    return found


async def _find_token(db: Database, text: str, peer: str | None) -> Caller:
    parsed = secrets.parse_token(text)
    found = await db.snapshot(lambda tx: store_tokens.find_token(tx, parsed.id)) if parsed else None
    if parsed is None or found is None or not secrets.has_hash(parsed.secret, found.hash):
        raise Unauthenticated("there is no such token")
    token, user = found.token, found.user
    if token.revoked_at is not None:
        raise Unauthenticated("the token was revoked")
    if token.expires_at is not None and token.expires_at <= clock.now():
        raise Unauthenticated("the token has expired")
    if user.disabled_at is not None:
        raise AccountDisabled("this user is disabled")
    if _is_older(token.used_at, NOTED_SECONDS):
        await _note(db, lambda tx: store_tokens.note_used(tx, token.id))
    return _caller(user, "token", peer, token.scope, f"token {token.id}", token.expires_at)


async def _find_browser(db: Database, cookie: str, peer: str | None, where_to: dict[str, str]) -> Caller:
    cookie_hash = secrets.hash_of(cookie)
    found = await db.snapshot(lambda tx: store_sign_ins.find_sign_in(tx, cookie_hash))
    is_over = found is None or found.ended_at is not None or found.expires_at <= clock.now()
    if found is None or is_over or _is_older(found.seen_at, IDLE_SECONDS):
        raise Unauthenticated("this browser is no longer signed in", **where_to)
    if found.user.disabled_at is not None:
        raise AccountDisabled("this user is disabled")
    if _is_older(found.seen_at, SEEN_SECONDS):
        await _note(db, lambda tx: store_sign_ins.note_seen(tx, cookie_hash))
    return _caller(found.user, "oidc", peer, "chat", f"cookie {cookie_hash}", found.expires_at)


async def _note(db: Database, write: Callable[[Transaction], Awaitable[None]]) -> None:
    """Store when a user or token was last seen, if the database can be written; if not, reads go on without it."""
    try:
        await db.transaction(write)
    except StorageFailed as failure:
        _log.warning("it cannot be stored who was last seen: %s", failure)


def _caller(
    user: User, way: WayIn, peer: str | None, scope: Scope = "chat", credential: str = "", expires_at: str | None = None
) -> Caller:
    return Caller(user.id, user.role, way, scope, credential, expires_at, user.name or user.subject, peer)


def _is_older(time: str | None, seconds: float) -> bool:
    return time is None or clock.add_seconds(time, seconds) < clock.now()


def _app_issuer(settings: Settings) -> TokenIssuer | None:
    source, issuer, audience = settings.jwt_keys, settings.jwt_issuer, settings.jwt_audience
    if source is None or issuer is None or audience is None:
        return None
    if not is_url(source):
        try:
            parse_keys(Path(source).read_bytes(), allow_secrets=True)
        except (OSError, ValueError) as error:
            raise CannotStart(f"CHATKEEP_JWT_KEYS: {error}") from None
    return TokenIssuer(KeySet(source), issuer, audience)


def _browser_sign_in(settings: Settings) -> BrowserSignIn | None:
    issuer, client_id, public = settings.oidc_issuer, settings.oidc_client_id, settings.public_url
    if issuer is None or client_id is None or public is None:
        return None
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
    client = OidcClient(issuer, client_id, secret, f"{public.origin}{public.path}/auth/callback")
    return BrowserSignIn(client, Cookies(public.path), f"{public.path}/auth/login")
