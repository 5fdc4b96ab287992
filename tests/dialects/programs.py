"""Programs that speak Chat Completions, unchanged: each is run with a home of its own, also for temporary files."""

import asyncio
import os
from pathlib import Path

from tests.api.streams import PATIENCE
from tests.needs import python_program

LLM_MODELS = """
- model_id: chatkeep
  model_name: gpt-5-mini
  api_base: {url}/v1
  supports_schema: true
  supports_tools: true
- model_id: joker
  model_name: assistant:default
  api_base: {url}/v1
"""


class Program:
    """A program with its settings. `words` are those that begin its command line."""

    def __init__(self, words: list[str], variables: dict[str, str], home: Path) -> None:
        self._words = words
        self._home = home
        own = {"HOME": str(home), "TMPDIR": str(home), "TERM": "dumb"}
        self._variables = {"PATH": os.environ["PATH"], **own, **variables}

    async def run(self, *words: str, fails: bool = False) -> str:
        """Run it with more words, and return what it prints; what it says of its failure if it is to fail."""
        process = await asyncio.create_subprocess_exec(
            *self._words,
            *words,
            env=self._variables,
            cwd=self._home,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
        assert (process.returncode != 0) == fails, err.decode()
        return (err if fails else out).decode()


def llm(url: str, home: Path) -> Program:
    """Return simonw's `llm`, which knows the service at `url` as the models `chatkeep` and `joker`."""
    command = python_program("llm", "llm")
    (home / "extra-openai-models.yaml").write_text(LLM_MODELS.format(url=url), "utf-8")
    return Program([str(command)], {"LLM_USER_PATH": str(home), "OPENAI_API_KEY": "any"}, home)


def shell_gpt(url: str, home: Path) -> Program:
    """Return ShellGPT, which asks the service at `url`."""
    command = python_program("shell-gpt", "sgpt")
    variables = {
        "API_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": "any",
        "DEFAULT_MODEL": "gpt-5-mini",
        "XDG_CONFIG_HOME": str(home),
    }
    return Program([str(command), "--no-md", "--no-cache"], variables, home)
