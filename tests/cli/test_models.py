"""The models of a file on the command line: `ask`, `eval` and `python llm.py` take their names."""

import asyncio
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.cli.test_main import ROOT, command
from tests.models import PLAIN, write_models
from tests.provider import Provider, streams, text_chunks

pytestmark = pytest.mark.anyio

REFUSED = "chatkeep: there is no model 'big'; known: fast, small\n"


@pytest.fixture
def path(provider: Provider, tmp_path: Path) -> Path:
    provider.answers = [streams(*text_chunks("1 2 3"))]
    small = PLAIN.replace("upstream", "tiny-1")
    lines = f'base_url = "{provider.url}"\napi_key = "env:HOME_KEY"'
    (tmp_path / ".env").write_text("HOME_KEY=sesame\nCHATKEEP_MODEL=fast\nCHATKEEP_MODELS=models.toml\n")
    return write_models(tmp_path, {"fast": PLAIN, "small": small}, one=lines)


async def run(path: Path, *words: str, program: tuple[str, ...] = ("-m", "chatkeep")) -> CompletedProcess[str]:
    return await asyncio.to_thread(command, *words, cwd=path.parent, program=program)


@pytest.mark.parametrize("program", [("-m", "chatkeep"), (str(ROOT / "llm.py"),)], ids=["chatkeep", "llm.py"])
async def test_ask_takes_the_names_of_the_file(path: Path, provider: Provider, program: tuple[str, ...]) -> None:
    words = ("ask", "Hi") if program[0] == "-m" else ("Hi",)
    done = [await run(path, *words, *more, program=program) for more in ((), ("--model", "small"), ("--model", "big"))]
    assert [(each.returncode, each.stdout) for each in done] == [(0, "1 2 3\n"), (0, "1 2 3\n"), (1, "")]
    assert done[2].stderr == REFUSED
    assert [request.body["model"] for request in provider.requests] == ["upstream", "tiny-1"]
    assert {request.headers["authorization"] for request in provider.requests} == {"Bearer sesame"}


async def test_eval_takes_the_names_of_the_file(path: Path, provider: Provider) -> None:
    (path.parent / "mine.yaml").write_text(
        "assistant: default\ndate: 2026-03-02\ncases:\n"
        '  - name: counts\n    exchanges: [{says: count to 3, must_say: ["1 2 3"]}]\n'
    )
    done = await run(path, "eval", "mine.yaml", "--model", "small", "--samples", "1", "--min-rate", "1")
    assert done.returncode == 0, done.stderr
    assert "with small" in done.stdout
    assert [request.body["model"] for request in provider.requests] == ["tiny-1"]
    refused = await run(path, "eval", "mine.yaml", "--model", "big")
    assert (refused.returncode, refused.stderr) == (1, REFUSED)


def misspell(path: Path) -> None:
    path.write_text(path.read_text().replace("base_url", "bas_url"))


@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("ask", "Hi"), ("eval",)])
async def test_a_wrong_file_is_one_line(path: Path, words: tuple[str, ...]) -> None:
    misspell(path)
    done = await run(path, *words)
    said = "chatkeep: models.toml:12: unknown key 'bas_url'; known: base_url, api_key, api\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
