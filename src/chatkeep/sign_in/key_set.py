"""Keys of an issuer, by which its tokens are verified: a JWK set (RFC 7517) in a file or at a URL.

1. Each key has one algorithm: the one that it names (`alg`), else the usual one of its kind. A token cannot choose
   another one (RFC 8725 §3.1).
2. A file is read again when it has changed. A URL is fetched when its keys are ten minutes old, and when a token names
   a key that is not among them, but not more often than every ten seconds.
3. If that fails, the keys that are there stay in use for a day.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import httpx2
from joserfc import jwk
from joserfc.errors import JoseError

from chatkeep.sign_in.refusals import SignInUnavailable

FRESH_SECONDS = 600.0
"""How long fetched keys are used before they are fetched again."""
RETRY_SECONDS = 10.0
"""The least time between two fetches."""
KEPT_SECONDS = 86_400.0
"""How long fetched keys are used if they cannot be fetched again."""
FETCH_SECONDS = 5.0
"""How long a fetch may take."""
MAX_BYTES = 262_144
"""The most bytes that a fetch takes."""
MIN_RSA_BITS, MIN_SECRET_BITS = 2048, 256
"""Shorter keys are not used (RFC 7518 §3.2, §3.3)."""
ALGORITHMS: Mapping[tuple[str, str], str] = {
    ("RSA", ""): "RS256",
    ("EC", "P-256"): "ES256",
    ("EC", "P-384"): "ES384",
    ("EC", "P-521"): "ES512",
    ("OKP", "Ed25519"): "EdDSA",
    ("oct", ""): "HS256",
}
"""The algorithm of a key that names none, by kind and curve."""
_BY_KIND: Mapping[str, Sequence[str]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA", "Ed25519"),
    "oct": ("HS256", "HS384", "HS512"),
}

Key: TypeAlias = jwk.RSAKey | jwk.ECKey | jwk.OKPKey | jwk.OctKey

_log = logging.getLogger("chatkeep")


class VerifyingKey(NamedTuple):
    """A key, the one algorithm that it verifies, and its name, if it has one."""

    key: Key
    algorithm: str
    kid: str | None


def parse_keys(text: str | bytes, *, allow_secrets: bool) -> list[VerifyingKey]:
    """Return the keys of a JWK set that can verify signatures; others are left out.

    `allow_secrets`: with keys that sign as well (`oct`), which only a file of the operator's may hold.

    Raises:
        ValueError: it is no JWK set, or no key of it can be used. The message shows nothing of it.
    """
    try:
        entries = cast("list[dict[str, Any]]", list(json.loads(text)["keys"]))
    except (ValueError, KeyError, TypeError):
        raise ValueError('not a JWK set: {"keys": [...]}') from None
    found = [_parse_key(each) for each in entries]
    keys = [key for key in found if key is not None and (allow_secrets or not isinstance(key.key, jwk.OctKey))]
    if not keys:
        raise ValueError("none of its keys can verify a signature")
    return keys


def _parse_key(entry: dict[str, Any]) -> VerifyingKey | None:
    try:
        kind, curve, kid = str(entry["kty"]), str(entry.get("crv", "")), entry.get("kid")
        algorithm = str(entry.get("alg") or ALGORITHMS.get((kind, curve)))
        if entry.get("use", "sig") != "sig" or algorithm not in _BY_KIND.get(kind, ()):
            return None
        key = jwk.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return VerifyingKey(key, algorithm, kid if isinstance(kid, str) else None) if _is_long_enough(key) else None


def _is_long_enough(key: Key) -> bool:
    if isinstance(key, jwk.RSAKey):
        return key.public_key.key_size >= MIN_RSA_BITS
    return not isinstance(key, jwk.OctKey) or len(key.raw_value) * 8 >= MIN_SECRET_BITS


class KeySet:
    """The keys of an issuer, as they are now."""

    def __init__(self, source: str) -> None:
        """`source` is a URL (`https://…`, `http://…`) or the path of a file."""
        self._source = source
        self._lock = asyncio.Lock()
        self._keys: list[VerifyingKey] = []
        self._changed_at = -1  # of a file, in nanoseconds
        self._fetched_at = self._tried_at = float("-inf")

    async def find(self, kid: str | None) -> VerifyingKey | None:
        """Return the key with that name, if there is one; without a name, the only key.

        Raises:
            SignInUnavailable: the keys cannot be read.
        """
        await self.refresh(is_missing=False)
        found = self._find(kid)
        if found is None:
            await self.refresh(is_missing=True)
            found = self._find(kid)
        return found

    def _find(self, kid: str | None) -> VerifyingKey | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.kid == kid), None)

    async def refresh(self, *, is_missing: bool) -> None:
        """Read the keys again if it is time; `is_missing`: a key that was asked for is not among them.

        Raises:
            SignInUnavailable: there are none, or they are too old.
        """
        if is_missing or not self._keys or not self._lock.locked():  # else another request reads them already
            async with self._lock:
                await self._read(is_missing=is_missing)
        is_old = is_url(self._source) and time.monotonic() - self._fetched_at > KEPT_SECONDS
        if is_old or not self._keys:
            raise SignInUnavailable("the keys that verify sign-ins cannot be read for now; the log says why")

    async def _read(self, *, is_missing: bool) -> None:
        try:
            if is_url(self._source):
                await self._fetch(is_missing=is_missing)
            else:
                self._read_file(Path(self._source))
        except (OSError, ValueError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            _log.warning("the keys at %s cannot be read: %s", self._source, error)

    def _read_file(self, path: Path) -> None:
        changed_at = path.stat().st_mtime_ns
        if changed_at != self._changed_at:
            self._keys = parse_keys(path.read_bytes(), allow_secrets=True)
            self._changed_at = changed_at

    async def _fetch(self, *, is_missing: bool) -> None:
        now = time.monotonic()
        is_due = is_missing or now - self._fetched_at > FRESH_SECONDS
        if not is_due or now - self._tried_at < RETRY_SECONDS:
            return
        self._tried_at = now
        self._keys = parse_keys(await fetch(self._source), allow_secrets=False)
        self._fetched_at = now


def is_url(source: str) -> bool:
    """Return True for an address, False for a path."""
    return source.startswith(("https://", "http://"))


async def fetch(url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Return what is at `url`, or what it answers to a `form`. Redirects are not followed.

    Raises:
        httpx2.HTTPError: it cannot be reached in time.
        ValueError: it answers otherwise, or with too much.
    """
    method = "GET" if form is None else "POST"
    async with (
        asyncio.timeout(FETCH_SECONDS),
        httpx2.AsyncClient(timeout=FETCH_SECONDS) as client,
        client.stream(method, url, data=form, headers={"accept": "application/json", **(headers or {})}) as answer,
    ):
        if answer.status_code != 200:
            raise ValueError(f"{url} answers with {answer.status_code}")
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > MAX_BYTES:
                raise ValueError(f"{url} answers with more than {MAX_BYTES} bytes")
        return body
