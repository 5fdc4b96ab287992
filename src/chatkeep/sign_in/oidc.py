"""OpenID Connect: the service sends a browser to an issuer, and gets back who is signed in there.

The authorization code flow (OpenID Connect Core §3.1) with PKCE (RFC 7636), a state and a nonce:

    browser ─▶ /auth/login ─▶ issuer: the user signs in ─▶ /auth/callback?code&state
                                         service ─▶ issuer: code and verifier ─▶ ID token

1. What the browser has to bring back stands in a cookie of its own (`Flow`). Only the browser that began can end.
2. The ID token comes from the issuer itself, and is verified all the same: signature, issuer, audience, times, nonce.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import msgspec

from chatkeep.sign_in.jwt import Claims, TokenIssuer
from chatkeep.sign_in.key_set import KeySet, fetch
from chatkeep.sign_in.refusals import SignInUnavailable, Unauthenticated
from chatkeep.sign_in.secrets import new_secret

_log = logging.getLogger("chatkeep")

METADATA_SECONDS = 3600.0
"""How long the issuer's metadata is used before it is fetched again."""
SCOPE = "openid profile"
"""The claims that are asked for: who it is, and their name."""


class Flow(NamedTuple):
    """A sign-in under way: what the browser has to bring back, and the path of ours to which it returns."""

    state: str
    nonce: str
    verifier: str
    return_to: str

    def encode(self) -> str:
        """Return the text of its cookie."""
        return _base64(msgspec.json.encode(self))


def new_flow(return_to: str) -> Flow:
    """Return a new flow, with secrets of its own."""
    return Flow(new_secret(), new_secret(), new_secret(), return_to)


def decode_flow(text: str) -> Flow | None:
    """Return the flow of a cookie; None if it is none."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(f"{text}=="), type=Flow)
    except (ValueError, msgspec.MsgspecError):
        return None


def _base64(content: bytes) -> str:
    """Return bytes as base64url without padding (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class _Endpoints(NamedTuple):
    """The issuer as it describes itself (OpenID Connect Discovery §3)."""

    authorization: str
    token: str
    tokens: TokenIssuer
    posts_secret: bool
    sends_issuer: bool


class OidcClient:
    """The service as a client of one issuer."""

    def __init__(self, issuer: str, client_id: str, client_secret: str | None, redirect_uri: str) -> None:
        self.issuer = issuer
        self._id = client_id
        self._secret = client_secret
        self._redirect_uri = redirect_uri
        self._lock = asyncio.Lock()
        self._endpoints: _Endpoints | None = None
        self._fetched_at = float("-inf")

    async def check(self) -> None:
        """Raise SignInUnavailable if the issuer, or its keys, cannot be used."""
        await (await self._discover()).tokens.check()

    async def login_url(self, flow: Flow) -> str:
        """Return where the browser is sent.

        Raises:
            SignInUnavailable: the issuer cannot be reached, or says something odd about itself.
        """
        digest = hashlib.sha256(flow.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._id,
            "redirect_uri": self._redirect_uri,
            "scope": SCOPE,
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": _base64(digest),
            "code_challenge_method": "S256",
        }
        url = (await self._discover()).authorization
        return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"

    async def finish(self, flow: Flow, state: str, code: str, issuer: str | None) -> Claims:
        """Return who has signed in, by what the browser brings back. `issuer`: the one it names (RFC 9207), if any.

        Raises:
            Unauthenticated: it is not what was asked for.
            SignInUnavailable: the issuer cannot be reached.
        """
        endpoints = await self._discover()
        if not hmac.compare_digest(flow.state.encode(), state.encode()):
            raise Unauthenticated("the sign-in was begun elsewhere: begin again")
        if issuer != self.issuer and (issuer is not None or endpoints.sends_issuer):
            raise Unauthenticated("the sign-in comes from another issuer")
        answer = await self._ask_for_token(endpoints, code, flow.verifier)
        claims = await endpoints.tokens.read(str(answer.get("id_token")))
        if not hmac.compare_digest(flow.nonce.encode(), str(claims.all.get("nonce")).encode()):
            raise Unauthenticated("the token is of another sign-in")
        if isinstance(claims.all["aud"], list) and claims.all.get("azp", self._id) != self._id:
            raise Unauthenticated("the token is for another client")
        return claims

    async def _ask_for_token(self, endpoints: _Endpoints, code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        headers: dict[str, str] = {}
        if self._secret is None or endpoints.posts_secret:
            form |= {"client_id": self._id} | ({"client_secret": self._secret} if self._secret else {})
        else:  # RFC 6749 §2.3.1: both parts are encoded as in a form
            pair = f"{quote(self._id, safe='')}:{quote(self._secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        try:
            return json.loads(await fetch(endpoints.token, form, headers))
        except ValueError as error:  # it refuses the code, say, or our secret
            _log.warning("the issuer %s confirms no sign-in: %s", self.issuer, error)
            raise Unauthenticated("the issuer does not confirm the sign-in: begin again") from error
        except (OSError, httpx2.HTTPError) as error:
            _log.warning("the issuer %s cannot be reached: %s", self.issuer, error)
            raise SignInUnavailable("the issuer cannot be reached for now") from error

    async def _discover(self) -> _Endpoints:
        async with self._lock:
            if self._endpoints is None or time.monotonic() - self._fetched_at > METADATA_SECONDS:
                try:
                    text = await fetch(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
                    self._endpoints = self._read_metadata(json.loads(text))
                except (OSError, ValueError, KeyError, TypeError, httpx2.HTTPError, httpx2.InvalidURL) as error:
                    _log.warning("the issuer %s does not say how to sign in: %s", self.issuer, error)
                    raise SignInUnavailable("the issuer does not say how to sign in; the log says why") from error
                self._fetched_at = time.monotonic()
            return self._endpoints

    def _read_metadata(self, metadata: dict[str, Any]) -> _Endpoints:
        if metadata["issuer"] != self.issuer:
            raise ValueError("it names itself otherwise")
        urls = [str(metadata[name]) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if not all(url.startswith(("https://", f"{self.issuer.partition('://')[0]}://")) for url in urls):
            raise ValueError("its addresses are not https")
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return _Endpoints(
            urls[0],
            urls[1],
            TokenIssuer(KeySet(urls[2]), self.issuer, self._id),
            posts_secret="client_secret_basic" not in methods,
            sends_issuer=bool(metadata.get("authorization_response_iss_parameter_supported")),
        )
