"""Every statement of the house, found in its source: each is valid, and none reads a table from end to end."""

import ast
import importlib
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, LiteralString, cast

import pytest

import chatkeep
from chatkeep.db.sqlite import Sqlite
from chatkeep.runs.lifetime import open_database

pytestmark = pytest.mark.anyio

STORE = Path(chatkeep.__file__).parent / "store"
METHODS = {"all", "one", "run", "many"}


def statements() -> Iterator[tuple[str, str]]:
    """(module.function, SQL) of every call on a connection in `store/`."""
    for file in sorted(STORE.glob("[!_]*.py")):
        names = vars(importlib.import_module(f"chatkeep.store.{file.stem}"))
        for function in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(function, ast.AsyncFunctionDef):
                for call in ast.walk(function):
                    if (
                        isinstance(call, ast.Call)
                        and isinstance(call.func, ast.Attribute)
                        and call.func.attr in METHODS
                    ):
                        yield f"{file.stem}.{function.name}", evaluated(call.args[0], names)


def evaluated(node: ast.expr, names: dict[str, Any]) -> str:
    return eval(compile(ast.Expression(node), "statement", "eval"), names)


STATEMENTS = list(statements())


@pytest.fixture
async def db(tmp_path: Path) -> AsyncGenerator[Sqlite]:
    db = await open_database(tmp_path / "test.db")
    yield db
    await db.close()


def test_there_are_statements_to_look_at() -> None:
    assert len(STATEMENTS) > 30


@pytest.mark.parametrize(("where", "sql"), STATEMENTS, ids=[where for where, _ in STATEMENTS])
async def test_a_statement_is_valid_and_finds_its_rows_by_an_index(db: Sqlite, where: str, sql: str) -> None:
    numbers = [int(number) for number in re.findall(r"\$(\d+)", sql)]
    assert set(numbers) == set(range(1, max(numbers, default=0) + 1)), f"{where} leaves out a parameter"
    unset = [None] * max(numbers, default=0)
    plan = await db.transaction(lambda tx: tx.all(cast("LiteralString", f"EXPLAIN QUERY PLAN {sql}"), *unset))
    details = [str(row[-1]) for row in plan]
    scans = [detail for detail in details if detail.startswith("SCAN") and not in_memory(detail)]
    assert scans == [], f"{where} reads a table from end to end"


def in_memory(detail: str) -> bool:
    """A recursive query's own rows, a subquery's, and constants: not tables."""
    return any(detail.startswith(f"SCAN {name}") for name in ("branch", "b", "measured", "CONSTANT"))
