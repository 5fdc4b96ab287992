"""The fake provider `@copilotkit/aimock`. Others wrote it, so it does not share our own fakes' misunderstandings.

Its answers are fixtures: the first whose `match` fits a request is played. It keeps a journal of requests, those to the
Responses API in the form of Chat Completions. Reference: `skills/write-fixtures/SKILL.md` in the package.
"""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.needs import npm_program

PROGRAM = ("@copilotkit", "aimock", "dist", "cli.js")
KEY = "open-sesame-42"
"""The key that it asks for."""


class Aimock:
    """A running fake provider at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        headers = {"authorization": f"Bearer {KEY}"}
        self._control = httpx2.Client(base_url=f"{url}/__aimock", headers=headers, trust_env=False)

    def close(self) -> None:
        """Close the connection to it."""
        self._control.close()

    def reset(self) -> None:
        """Forget all fixtures, requests and faults."""
        self._post("/reset", {})
        self.break_all()

    def play(self, response: dict[str, Any], match: dict[str, Any] | None = None, **options: Any) -> None:
        """Add a fixture: the response to each request that matches, by default to any. `options` are its other keys."""
        self._post("/fixtures", {"fixtures": [{"match": match or {}, "response": response, **options}]})

    def refuse_next(self, status: int, **error: str) -> None:
        """Answer the next request with an error. `error`: its message, type and code."""
        self._post("/error", {"status": status, "body": error})

    def break_all(self, **rates: float) -> None:
        """Break a share of all answers from now on, in its own words: `malformedRate`, `disconnectRate`, …"""
        self._post("/chaos", rates)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests so far: `path`, `headers`, `body`, and `response` with its `status`."""
        return self._control.get("/journal").raise_for_status().json()

    def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = self._control.post(path, json=body)
        assert answer.is_success, answer.text


@contextmanager
def run_aimock(directory: Path) -> Generator[Aimock]:
    """Run the fake provider on a free port until the block ends."""
    (fixtures := directory / "fixtures.json").write_text('{"fixtures": []}')
    words = (*npm_program(*PROGRAM), "--port", "0", "--fixtures", str(fixtures))
    env = {**os.environ, "AIMOCK_API_KEYS": KEY}
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            aimock = Aimock(next(line.split()[-1] for line in process.stdout if "listening on" in line))
            yield aimock
            aimock.close()
        finally:
            process.kill()
