"""The rules of the house, as code: how long things may be, and where which things may stand."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "chatkeep"
FILES = sorted(PACKAGE.rglob("*.py"))
DOORS = {
    "cli.py", "copying.py", "serve.py", "ask.py", "printing.py", "__main__.py", "alone.py",
}  # fmt: skip
ROOMS = {"practice", "toolbox", "evals", "mcp", "local"}
"""The terminal, the practice model, the toolbox, the evals and the optional extras: not on the way of a message."""

FILE_LINES = 300
FUNCTION_LINES = 40
CORE_LINES = 5_350
"""An afternoon's reading. 200 of them carry HTTP/1.1 to the provider; `docs/performance.md` says what they buy."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_is_one_idea_long(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= FILE_LINES


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_function_fits_on_a_page(file: Path) -> None:
    long = [
        f"{node.name}: {length} lines"
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert long == []


def test_the_core_can_be_read_in_an_afternoon() -> None:
    """Counted as code: neither blank, nor comment, docstring or import."""
    core = sum(
        len(list(code_lines(file))) for file in FILES if file.name not in DOORS and file.parent.name not in ROOMS
    )
    assert core <= CORE_LINES


def test_sql_stands_in_the_store_and_nowhere_else() -> None:
    verbs = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH RECURSIVE ")
    allowed = {PACKAGE / "migrate.py", PACKAGE / "api" / "service.py"}
    found = [
        f"{file.relative_to(PACKAGE)}:{node.lineno}"
        for file in FILES
        if file.parent.name not in ("store", "db") and file not in allowed
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lstrip().startswith(verbs)
    ]
    assert found == []


def test_every_exemption_from_a_check_says_why() -> None:
    marks = ("# noqa", "# type: ignore", "# pyright: ignore")
    unexplained = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in [*FILES, *sorted((ROOT / "tests").rglob("*.py"))]
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        for mark in marks
        if mark in line and file != Path(__file__) and line.partition(mark)[2].count("#") == 0
    ]
    assert unexplained == []


def code_lines(file: Path) -> Iterator[int]:
    """The numbers of the lines that hold code."""
    text = file.read_text("utf-8")
    other: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        is_text = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            other.update(range(node.lineno, (node.end_lineno or 0) + 1))  # type: ignore[attr-defined]  # statements have lines
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in blank:
            lines.update(range(token.start[0], token.end[0] + 1))
    yield from lines - other
