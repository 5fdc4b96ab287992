"""Programs that run on loopback for a bench: how they are found, started, asked and ended. All by their ids."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tools import HERE

sys.path.insert(0, str(HERE.parent))

from tests import postgres  # from the root of the project, which is put on the path above

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
WAIT_SECONDS = 120
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever proxy the environment names


def find(name: str) -> str | None:
    """Return the path of a program; None if it is not installed."""
    path = shutil.which(name, path=PATH)
    return None if path is None else str(Path(path).absolute())


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process: politely, or after some seconds at once."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def launch(command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a program as the user of PostgreSQL, in a session of its own: Ctrl+C reaches only this script."""
    environment = {"PATH": PATH, "HOME": str(log.parent), "LC_ALL": "C.UTF-8"}
    who = postgres.unprivileged()
    with log.open("ab") as out:
        return subprocess.Popen(
            command, cwd=log.parent, env=environment, stdout=out, stderr=out, start_new_session=True, **who
        )


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON of a GET, or a POST with `body`; 0 and nothing if no answer comes."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": "application/json"})
    try:
        with _direct.open(request, timeout=1) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as refusal:
        return refusal.code, {}
    except (OSError, ValueError):
        return 0, {}


def send(pid: int, what: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, what)


def wait_until(is_true: Callable[[], bool], complaint: str, seconds: float = WAIT_SECONDS) -> float:
    """Wait, and return the seconds it took. Ends the script with `complaint` when it takes too long."""
    began = time.monotonic()
    while not is_true():
        if time.monotonic() - began > seconds:
            raise SystemExit(f"{complaint} in {seconds:g} s")
        time.sleep(0.1)
    return time.monotonic() - began


def write(file: Path, text: str) -> None:
    """Write a file that every user may read."""
    file.write_text(text, "utf-8")
    file.chmod(0o644)
