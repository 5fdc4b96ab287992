"""What only some machines have: a test without it is skipped where people work, and fails in CI."""

import os
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NPM = ROOT / "tests" / "npm"
"""The npm packages that tests run, pinned by the lock file in there."""


def needs(what: str | None, why: str) -> str:
    """Return `what` a test needs. Without it the test is skipped, but never in CI."""
    if what is None and os.environ.get("CI") == "true":
        pytest.fail(why)
    if what is None:
        pytest.skip(why)
    return what


def python_program(name: str, command: str) -> Path:
    """Return the path of a command of a program in Python that has packages of its own (`tests/programs`)."""
    path = ROOT / ".venv" / "programs" / name / "bin" / command
    needs("installed" if path.exists() else None, f"{name} is not installed: make .venv/programs/{name}")
    return path


def npm_program(*parts: str) -> tuple[str, str]:
    """Return the words that run a program of an npm package: Node, and the path of its script in `node_modules`."""
    script = (NPM / "node_modules").joinpath(*parts)
    needs(
        "installed" if script.exists() else None,
        "npm's packages are not installed: python web/client.py install tests/npm",
    )
    node, _ = node_and_npm()
    return node, str(script)


def node_and_npm() -> tuple[str, str]:
    """Return the paths of the Node with which the page is built, and of its npm."""
    node, npm = runpy.run_path(str(ROOT / "web" / "client.py"))["find_node"]()
    return str(node), str(npm)
