"""The files for nginx and Caddy in deploy/, each run by its program before the real service."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.api.shapes import UUID7
from tests.api.streams import PATIENCE
from tests.api.test_process import started
from tests.pages import ROOT
from tests.postgres import free_port
from tests.service import read_events

pytestmark = pytest.mark.anyio

PLAIN = "alice:{PLAIN}secret"
"""A line of nginx's file of users."""
BCRYPT = "$2a$14$9LhGc3umqLSDxDp3lRlNt.yGVnx7s8tpZ40Zd4lk7sJXO2rrjxGkW"
"""The word `secret`, as Caddy keeps it."""


def nginx(folder: Path, port: int) -> list[str]:
    """Write nginx's files, without TLS and on another port and socket; return its command line."""
    text = (ROOT / "deploy/nginx.conf").read_text("utf-8")
    text = re.sub(r"^ *ssl_.*\n", "", text, flags=re.MULTILINE)
    text = text.replace("listen 443 ssl http2", f"listen 127.0.0.1:{port}")
    text = text.replace("/run/chatkeep/chatkeep.sock", f"{folder}/s")
    text = text.replace("/etc/nginx/chatkeep.users", f"{folder}/users")
    (folder / "users").write_text(f"{PLAIN}\n")
    paths = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off; {user} error_log stderr; pid {folder}/pid; events {{}}\n"
        f"http {{ access_log off; {paths}\n{text}\n}}\n"
    )
    return ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]


def caddy(folder: Path, port: int) -> list[str]:
    """The same for Caddy."""
    text = (ROOT / "deploy/Caddyfile").read_text("utf-8")
    text = text.replace("HASH", BCRYPT).replace("chat.example.org {", f"http://:{port} {{\n\tbind 127.0.0.1")
    (folder / "Caddyfile").write_text(
        "{\n\tadmin off\n\tauto_https off\n}\n" + text.replace("/run/chatkeep/chatkeep.sock", f"{folder}/s")
    )
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@asynccontextmanager
async def behind(program: str, folder: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    """Run the service on a socket, the proxy before it, and a client with its credentials."""
    if shutil.which(program) is None:
        assert os.environ.get("CI") != "true", f"{program} is not installed"
        pytest.skip(f"{program} is not installed")
    port = free_port()
    words = (nginx if program == "nginx" else caddy)(folder, port)
    url = f"http://127.0.0.1:{port}"
    more = {
        "CHATKEEP_TRUSTED_PROXIES": "unix",
        "CHATKEEP_PROXY_USER_HEADER": "X-Forwarded-User",
        "CHATKEEP_METRICS": "unix",
        "CHATKEEP_PUBLIC_URL": url,
    }
    service = await started(folder, 0, "--host", f"unix:{folder}/s", **more)
    assert service.stdout is not None
    await service.stdout.readline()
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    proxy = await asyncio.create_subprocess_exec(
        *words, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, env=environment
    )
    try:
        async with httpx2.AsyncClient(base_url=url, auth=("alice", "secret"), trust_env=False, timeout=30) as client:
            async with asyncio.timeout(PATIENCE):
                while not await _answers(client):
                    assert proxy.returncode is None, f"{program} has ended"
                    await asyncio.sleep(0.05)
            yield client
    finally:
        for process in (proxy, service):
            if process.returncode is None:
                process.terminate()
            await process.communicate()


async def _answers(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.mark.parametrize("program", ["nginx", "caddy"])
async def test_a_proxy_lets_in_who_may_and_passes_streams_on(tmp_path: Path, program: str) -> None:
    async with behind(program, tmp_path) as client:
        assert (await client.get("/", auth=None)).status_code == 401
        assert "<title>" in (await client.get("/")).text
        assert (await client.get("/metrics")).status_code == 404
        me = await client.get("/api/me", headers={"x-forwarded-user": "mallory"})
        assert (me.status_code, me.json()["name"]) == (200, "alice")
        given = (await client.get("/healthz", headers={"x-request-id": "theirs"})).headers["x-request-id"]
        assert given != "theirs"
        assert not UUID7.fullmatch(given)  # the proxy's own, taken over
        session = (await client.post("/api/sessions", json={})).json()["id"]
        body = {"content": "count to 300"}
        async with client.stream("POST", f"/api/sessions/{session}/messages", json=body) as answer:
            events = read_events(answer)
            first = await anext(events)
            assert (await client.get(f"/api/runs/{first['run']['id']}")).json()["status"] == "in_progress"
            await client.post(f"/api/runs/{first['run']['id']}/cancel")
            assert [event["type"] async for event in events][-1] == "run.finished"
        large = await client.post("/api/sessions", json={"title": "x" * 1_100_000})
        assert large.status_code == 413
