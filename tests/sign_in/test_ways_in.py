"""Who asks: by a trusted proxy, a user's own token, an app's token; and nothing of it where nothing is set."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk, jwt

from chatkeep.settings.peers import parse_peers
from tests.api.shapes import problem
from tests.pages import ROOT, blocks
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

PROXY: dict[str, Any] = {"trusted_proxies": parse_peers("127.0.0.1"), "proxy_user_header": "X-User"}
ISSUER, AUDIENCE = "https://app.example", "chatkeep"
HS256 = {"alg": "HS256", "kid": "k"}
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": 2**33}


def user(name: str) -> dict[str, Any]:
    return {"x-user": name.encode()}


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


async def me(service: Service, headers: dict[str, Any]) -> dict[str, Any]:
    answer = await service.client.get("/api/me", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_nothing_is_asked_where_nothing_is_set(service: Service) -> None:
    for headers in ({}, {"authorization": "Bearer nonsense"}, user("eve")):
        found = await me(service, headers)
        assert (found["id"], found["role"], found["way"]) == ("local", "admin", "local")


async def test_a_trusted_proxy_names_the_user(database: str, script: Script) -> None:
    async with serving(settings(database, **PROXY), script) as service:
        problem(await service.client.get("/api/me"), 401, "unauthenticated")
        ada, bob = await me(service, user("ada")), await me(service, user("böb"))
        assert (ada["name"], ada["role"], ada["way"]) == ("ada", "user", "proxy")
        assert bob["name"] == "böb"
        assert ada["id"] == (await me(service, user("ada")))["id"] != bob["id"]
        twice = [("x-user", "ada"), ("x-user", "eve")]
        problem(await service.client.get("/api/me", headers=twice), 400, "untrusted_proxy")
        problem(await service.client.get("/api/me", headers=user("x" * 256)), 401, "unauthenticated")
        problem(await service.client.get("/api/me", headers=user("")), 401, "unauthenticated")


async def test_another_peer_is_not_believed(database: str, script: Script) -> None:
    proxies = parse_peers("10.1.2.3, unix")
    async with serving(settings(database, **{**PROXY, "trusted_proxies": proxies}), script) as service:
        for more in ({}, {"x-forwarded-for": "10.1.2.3"}, {"authorization": "Bearer ck_1"}):
            problem(await service.client.get("/api/me", headers={**user("ada"), **more}), 400, "untrusted_proxy")


async def test_nothing_but_the_page_and_probes_is_public(database: str, script: Script) -> None:
    async with serving(settings(database, **PROXY), script) as service:
        for path in ("/", "/diagram", "/manifest.webmanifest", "/healthz", "/readyz", "/assets/page.css"):
            assert (await service.client.get(path)).status_code in (200, 404)
        for path in ("/docs", "/openapi.json", "/api/models", "/nothing", "/assets", "/api", "/static-offline-docs/x"):
            problem(await service.client.get(path), 401, "unauthenticated")


async def test_a_token_is_its_user(database: str, script: Script) -> None:
    script.play([say("Hi"), stop()])
    async with serving(settings(database, **PROXY), script) as service:
        made = (await service.client.post("/api/tokens", json={"name": "script"}, headers=user("ada"))).json()
        token = bearer(made["text"])
        assert (await me(service, token))["id"] == (await me(service, user("ada")))["id"]
        session_id = (await service.client.post("/api/sessions", headers=token)).json()["id"]
        assert (await service.client.get(f"/api/sessions/{session_id}", headers=user("ada"))).status_code == 200
        listed = (await service.client.get("/api/tokens", headers=user("ada"))).json()["data"]
        assert [(each["name"], each["scope"]) for each in listed] == [("script", "chat")]
        assert made["text"] not in json.dumps(listed)
        problem(await service.client.get("/api/tokens", headers=token), 403, "forbidden")
        problem(await service.client.delete("/api/me", headers=token), 403, "forbidden")
        path = f"/api/tokens/{made['token']['id']}"
        problem(await service.client.delete(path, headers=user("bob")), 404, "not_found")
        assert (await service.client.delete(path, headers=user("ada"))).status_code == 204
        problem(await service.client.get("/api/me", headers=token), 401, "unauthenticated")
        problem(await service.client.delete(path, headers=user("ada")), 404, "not_found")


async def test_a_token_does_what_its_scope_allows(database: str, script: Script) -> None:
    async with serving(settings(database, **PROXY), script) as service:
        headers: dict[str, dict[str, str]] = {}
        for scope in ("read", "metrics"):
            body = {"name": scope, "scope": scope, "days": 1}
            made = (await service.client.post("/api/tokens", json=body, headers=user("ada"))).json()
            headers[scope] = bearer(made["text"])
        assert (await service.client.get("/api/sessions", headers=headers["read"])).status_code == 200
        problem(await service.client.post("/api/sessions", headers=headers["read"]), 403, "forbidden")
        problem(await service.client.get("/api/sessions", headers=headers["metrics"]), 403, "forbidden")
        problem(await service.client.get("/metrics", headers=headers["read"]), 403, "forbidden")
        problem(await service.client.get("/metrics"), 404, "not_found")
        assert "chatkeep_" in (await service.client.get("/metrics", headers=headers["metrics"])).text


@pytest.mark.parametrize("text", ["ck_", "ck_x_y", f"ck_{'0' * 32}_{'a' * 43}", "CK_1", "ck_" + "é" * 9, "x" * 9000])
async def test_a_wrong_token_is_refused(database: str, script: Script, text: str) -> None:
    async with serving(settings(database, **PROXY), script) as service:
        headers = {"authorization": f"Bearer {text}".encode()}
        problem(await service.client.get("/api/me", headers=headers), 401, "unauthenticated")  # type: ignore[arg-type]  # bytes


class App:
    """An app that signs tokens with a key, whose set is in a file."""

    def __init__(self, folder: Path, *keys: jwk.RSAKey | jwk.ECKey | jwk.OctKey) -> None:
        self.file = folder / "keys.json"
        self.write(*keys)

    def write(self, *keys: jwk.RSAKey | jwk.ECKey | jwk.OctKey) -> None:
        self.file.write_text(json.dumps({"keys": [key.as_dict() for key in keys]}))

    @property
    def settings(self) -> dict[str, Any]:
        return {"jwt_keys": str(self.file), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}


def signed(key: Any, algorithm: str = "ES256", kid: str | None = "k", **changes: Any) -> dict[str, str]:
    """Return the header of a request with a token of the user `ada`; None leaves a claim out."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 300, **changes}
    header = {"alg": algorithm} | ({"kid": kid} if kid else {})
    text = jwt.encode(
        header, {name: each for name, each in claims.items() if each is not None}, key, algorithms=[algorithm]
    )
    return bearer(text)


@pytest.fixture
def key() -> jwk.ECKey:
    return jwk.ECKey.generate_key("P-256", {"kid": "k"})


async def test_an_app_s_token_is_its_user(database: str, script: Script, tmp_path: Path, key: jwk.ECKey) -> None:
    async with serving(settings(database, **App(tmp_path, key).settings), script) as service:
        found = await me(service, signed(key, name="Ada"))
        assert (found["name"], found["way"]) == ("Ada", "jwt")
        assert found["id"] == (await me(service, signed(key, kid=None, name="Ada L.")))["id"]  # the only key
        assert (await me(service, signed(key)))["name"] == "Ada L."
        assert found["id"] != (await me(service, signed(key, sub="bob")))["id"]
        problem(await service.client.get("/api/me"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"}, {"iss": None}, {"aud": "another"}, {"aud": None}, {"exp": None},
        {"exp": 1000}, {"nbf": 2**33}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "a\nb"}, {"sub": "x" * 256},
        {"kid": "other"}, {"exp": "never"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_claim_that_is_not_right_is_refused(
    tmp_path: Path, script: Script, key: jwk.ECKey, change: dict[str, Any]
) -> None:
    async with serving(settings(tmp_path, **App(tmp_path, key).settings), script) as service:
        problem(await service.client.get("/api/me", headers=signed(key, **change)), 401, "unauthenticated")


async def test_the_key_decides_the_algorithm(tmp_path: Path, script: Script) -> None:
    rsa = jwk.RSAKey.generate_key(2048, {"kid": "k"})
    parts = b".".join(urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (HS256, CLAIMS))
    mac = hmac.digest(rsa.as_pem(private=False), parts, "sha256")  # the old confusion: its text as a shared secret
    confused = (parts + b"." + urlsafe_b64encode(mac).rstrip(b"=")).decode()
    async with serving(settings(tmp_path, **App(tmp_path, rsa).settings), script) as service:
        assert (await me(service, signed(rsa, "RS256")))["name"] == "ada"
        none = "eyJhbGciOiJub25lIiwia2lkIjoiayJ9.eyJzdWIiOiJhZGEifQ."
        others = [signed(rsa, "PS256"), signed(rsa, "RS512"), bearer(confused), bearer(none)]
        for headers in others:
            problem(await service.client.get("/api/me", headers=headers), 401, "unauthenticated")


async def test_the_host_app_of_the_docs_works(tmp_path: Path, script: Script) -> None:
    (code,) = blocks((ROOT / "docs" / "sign-in.md").read_text("utf-8"), "python")
    app: dict[str, Any] = {}
    exec(code, app)
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(app["keys"]()))
    ways = {"jwt_keys": str(file), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    async with serving(settings(tmp_path, **ways), script) as service:
        assert (await me(service, bearer(app["chat_token"]()["token"])))["name"] == "ada"


async def test_a_file_of_keys_may_change(tmp_path: Path, script: Script, key: jwk.ECKey) -> None:
    app, new = App(tmp_path, key), jwk.ECKey.generate_key("P-256", {"kid": "new"})
    async with serving(settings(tmp_path, **app.settings), script) as service:
        problem(await service.client.get("/api/me", headers=signed(new, kid="new")), 401, "unauthenticated")
        app.write(new)
        assert (await me(service, signed(new, kid="new")))["name"] == "ada"
        problem(await service.client.get("/api/me", headers=signed(key)), 401, "unauthenticated")
