"""The rules of the house, as code: how long things may be, and where which things may stand."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "chatkeep"
FILES = sorted(PACKAGE.rglob("*.py"))
FILE_LINES = 300
FUNCTION_LINES = 40


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


def test_sql_stands_in_the_store_and_nowhere_else() -> None:
    verbs = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH RECURSIVE ")
    allowed = {PACKAGE / "api" / "routes" / "service.py"}
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
