"""docs/clients.md: each example runs as it stands, and prints what the page says."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.api.streams import PATIENCE
from tests.needs import NPM, ROOT, npm_program, python_program
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

PAGE = (ROOT / "docs" / "clients.md").read_text("utf-8")
EXAMPLE = re.compile(
    r"^## (?P<name>.+?)$(?:(?!^## ).)*?^```(?P<language>\w+)\n(?P<code>.*?)^```\n\n```text\n(?P<out>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
URL = "http://127.0.0.1:8000"


class Example(NamedTuple):
    """A program on the page, and what it prints."""

    name: str
    language: str
    code: str
    out: str


EXAMPLES = [Example(*match.group("name", "language", "code", "out")) for match in EXAMPLE.finditer(PAGE)]


@pytest.fixture
async def practice(tmp_path: Path) -> AsyncGenerator[Service]:
    async with serving(settings(tmp_path)) as service:
        yield service


def command(example: Example, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the words that run an example which stands in `folder`, and more variables."""
    match example.language:
        case "python":
            return [sys.executable, str(folder / "example.py")], {}
        case "js":
            node, _ = npm_program("openai", "package.json")
            _link_packages(folder / "node_modules")
            return [node, str(folder / "example.mjs")], {}
        case _:
            programs = [str(python_program(*each).parent) for each in (("llm", "llm"), ("shell-gpt", "sgpt"))]
            return ["bash", "-e", str(folder / "example.sh")], {
                "PATH": os.pathsep.join([*programs, os.environ["PATH"]])
            }


def write(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")


def _link_packages(folder: Path) -> None:
    """Have the test's npm packages in `folder`, and `ai`, of which there are several versions."""
    folder.mkdir()
    for package in (NPM / "node_modules").glob("[!.]*"):
        (folder / package.name).symlink_to(package)
    (folder / "ai").symlink_to(NPM / "node_modules" / "ai6")


@pytest.mark.parametrize("example", EXAMPLES, ids=[each.name for each in EXAMPLES])
async def test_an_example_prints_what_the_page_says(practice: Service, example: Example, tmp_path: Path) -> None:
    words, variables = command(example, tmp_path)
    write(Path(words[-1]), example.code.replace(URL, practice.url))
    process = await asyncio.create_subprocess_exec(
        *words,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb", **variables},
        cwd=tmp_path,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(4 * PATIENCE):  # a program takes seconds to start
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert lines(out.decode()) == lines(example.out)


def lines(text: str) -> list[str]:
    """Return the lines of a text that are not blank, without what terminals add at their ends."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_each_section_has_an_example_that_runs() -> None:
    assert [each.name for each in EXAMPLES] == re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert all(len(each.code.splitlines()) <= 25 for each in EXAMPLES)
