"""Keys at a URL, and an issuer that breaks the rules: both a small server of ours, since a real one does neither."""

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from joserfc import jwk, jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.api.shapes import problem
from tests.cli.test_main import command
from tests.script import Script
from tests.service import serving, settings
from tests.sign_in.test_oidc import CLIENT, begin, finish, oidc
from tests.sign_in.test_ways_in import AUDIENCE, ISSUER, me, signed

pytestmark = pytest.mark.anyio


class Issuer:
    """An issuer that answers as it is told, and counts how often it is asked for its keys."""

    def __init__(self) -> None:
        self.keys = [jwk.ECKey.generate_key("P-256", {"kid": "k"})]
        self.is_away = False
        self.asked = 0
        self.url = ""
        self.id_token: Callable[[], str] = lambda: ""
        self.metadata: dict[str, str] = {}
        self.app = Starlette(
            routes=[
                Route("/keys", self._show_keys),
                Route("/.well-known/openid-configuration", self._show_metadata),
                Route("/token", self._give_token, methods=["POST"]),
            ]
        )

    async def _show_keys(self, request: Request) -> Response:
        del request
        self.asked += 1
        if self.is_away:
            return Response(status_code=500)
        return Response(json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}))

    async def _show_metadata(self, request: Request) -> Response:
        del request
        names = {"authorization_endpoint": "/auth", "token_endpoint": "/token", "jwks_uri": "/keys"}
        found = {"issuer": self.url, **{name: self.url + path for name, path in names.items()}, **self.metadata}
        return Response(json.dumps(found))

    async def _give_token(self, request: Request) -> Response:
        del request
        return Response(json.dumps({"id_token": self.id_token()}))


@asynccontextmanager
async def running() -> AsyncGenerator[Issuer]:
    issuer = Issuer()
    server = uvicorn.Server(uvicorn.Config(issuer.app, port=0, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    issuer.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield issuer
    finally:
        server.should_exit = True
        await task


async def test_keys_at_a_url_are_fetched_when_needed(tmp_path: Path, script: Script) -> None:
    async with running() as issuer:
        ways = {"jwt_keys": f"{issuer.url}/keys", "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
        async with serving(settings(tmp_path, **ways), script) as service:
            issuer.is_away = True
            away = await service.client.get("/api/me", headers=signed(issuer.keys[0]))
            problem(away, 503, "sign_in_unavailable", "request_id")
            assert away.headers["retry-after"]
        issuer.is_away, issuer.asked = False, 0
        async with serving(settings(tmp_path, **ways), script) as service:
            for _ in range(3):
                assert (await me(service, signed(issuer.keys[0])))["name"] == "ada"
            assert issuer.asked == 1
            stranger = jwk.ECKey.generate_key("P-256", {"kid": "stranger"})
            for _ in range(5):  # unknown keys cannot make the service ask again and again
                unknown = await service.client.get("/api/me", headers=signed(stranger, kid="stranger"))
                assert unknown.status_code == 401
            assert issuer.asked == 1


async def test_check_reads_the_keys_of_each_issuer(tmp_path: Path) -> None:
    async with running() as issuer:
        ways: dict[str, Any] = {
            "CHATKEEP_PUBLIC_URL": "https://chat.example",
            "CHATKEEP_OIDC_ISSUER": issuer.url,
            "CHATKEEP_OIDC_CLIENT_ID": CLIENT,
            "CHATKEEP_JWT_KEYS": f"{issuer.url}/keys",
            "CHATKEEP_JWT_ISSUER": ISSUER,
            "CHATKEEP_JWT_AUDIENCE": AUDIENCE,
        }

        def check(*options: str) -> subprocess.CompletedProcess[str]:
            return command("check", *options, cwd=tmp_path, **ways)

        found = await asyncio.to_thread(check)
        issuer.is_away = True
        away, offline = await asyncio.to_thread(check), await asyncio.to_thread(check, "--offline")
    sign_ins = [f"sign-in     {issuer.url}: ", f"sign-in     {ISSUER}: "]
    assert [line for line in found.stdout.splitlines() if "sign-in" in line] == [
        f"ok       {each}its keys can be read" for each in sign_ins
    ]
    assert (found.returncode, away.returncode, offline.returncode) == (0, 1, 0)
    assert [line.startswith("FAILED") for line in away.stdout.splitlines() if "sign-in" in line] == [True, True]
    assert "sign-in" not in offline.stdout


@pytest.mark.parametrize(
    "change",
    [{}, {"nonce": "another"}, {"nonce": None}, {"aud": "another"}, {"iss": "https://evil.example"},
     {"aud": [CLIENT, "b"], "azp": "b"}, {"exp": 1000}, {"sub": ""}],
    ids=str,
)  # fmt: skip
async def test_a_wrong_id_token_is_refused(tmp_path: Path, script: Script, change: dict[str, Any]) -> None:
    async with running() as issuer, serving(settings(tmp_path, **oidc(issuer.url)), script) as service:
        url, flow = await begin(service)
        asked = parse_qs(urlsplit(url).query)
        right = {"iss": issuer.url, "aud": CLIENT, "sub": "ada", "exp": int(time.time()) + 60}
        given = {**right, "nonce": asked["nonce"][0], **change}
        claims = {name: value for name, value in given.items() if value is not None}
        issuer.id_token = lambda: jwt.encode({"alg": "ES256", "kid": "k"}, claims, issuer.keys[0])
        back = f"/auth/callback?code=c&state={asked['state'][0]}"
        assert (await finish(service, back, flow)).status_code == (401 if change else 303)


ODD = [{"issuer": "https://evil.example"}, {"token_endpoint": "ftp://evil.example"}]


@pytest.mark.parametrize("change", ODD, ids=str)
async def test_an_issuer_that_names_itself_otherwise(tmp_path: Path, script: Script, change: dict[str, str]) -> None:
    async with running() as issuer, serving(settings(tmp_path, **oidc(issuer.url)), script) as service:
        issuer.metadata = change
        assert (await service.client.get("/auth/login")).status_code == 503
