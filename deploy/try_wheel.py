"""Installs a wheel as a user would, and tries it: `python deploy/try_wheel.py dist/chatkeep-1.0-py3-none-any.whl`.

1. A new environment gets the packages of `deploy/requirements.txt`, by their hashes, and then the wheel.
2. The service starts in an empty folder, and has to serve the web client and to answer a message.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def main(wheel: Path) -> None:
    """Install and try `wheel`. Ends with an error if something is not as it should be."""
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chatkeep-wheel-") as name:
        folder = Path(name)
        venv.create(folder / "env", with_pip=True)
        python = folder / "env" / "bin" / "python"
        subprocess.run([python, *PIP, "--require-hashes", "-r", REQUIREMENTS], check=True)
        subprocess.run([python, *PIP, "--no-deps", wheel.resolve()], check=True)
        installed_at = time.monotonic()
        (folder / "empty").mkdir()
        _try_service(folder / "env" / "bin" / "chatkeep", folder / "empty")
    seconds, of_install = time.monotonic() - began_at, installed_at - began_at
    print(f"{wheel.name} was installed ({of_install:.0f} s) and has answered ({seconds:.0f} s in all)")


def _try_service(command: Path, folder: Path) -> None:
    names = ("CHATKEEP_", "OPENAI_", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    with subprocess.Popen(
        [command, "serve", "--port", "0"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as service:
        try:
            assert service.stdout is not None
            url = service.stdout.readline().removeprefix("chatkeep is ready: ").strip()
            page = _read(f"{url}/")
            assets = re.findall(r"assets/[\w.-]+", page)
            assert assets, "the wheel has no web client"
            assert all(_read(f"{url}/{asset}") for asset in assets)
            session = re.findall(r'"id":"([^"]+)"', _read(f"{url}/api/sessions", b"{}"))[0]
            answer = _read(f"{url}/api/sessions/{session}/messages", b'{"content":"count to 3"}')
            assert '"text":"1 2 3' in answer, answer
            subprocess.run([command, "health", url], check=True)
        finally:
            service.terminate()
    assert service.returncode == 0, service.returncode


def _read(url: str, body: bytes | None = None) -> str:
    headers = {"content-type": "application/json", "accept": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        return answer.read().decode("utf-8", "replace")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
