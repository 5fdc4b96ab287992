"""Every SQL statement in the source: each is valid on both engines, and none reads a whole table."""

import ast
import importlib
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, LiteralString, cast

import pytest

import chatkeep
from chatkeep.db import Database, Transaction
from chatkeep.runs.loading import open_database
from chatkeep.store import copying
from tests.service import settings

pytestmark = pytest.mark.anyio

STORE = Path(chatkeep.__file__).parent / "store"
METHODS = {"all", "one", "run", "many", "returning"}


def statements() -> Iterator[tuple[str, str]]:
    """(module.function, SQL) of every call on a connection in `store/`."""
    for table in copying.TABLES:
        yield f"copying, {table.name}: select", table.select
        yield f"copying, {table.name}: insert", table.insert
    for file in sorted(STORE.glob("[!_]*.py")):
        if file.stem == "copying":  # the one that reads whole tables, page by page
            continue
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
async def db(database: str) -> AsyncGenerator[Database]:
    db = await open_database(settings(database))
    yield db
    await db.close()


def test_the_statements_of_the_store_are_found() -> None:
    assert len(STATEMENTS) > 30


async def test_every_statement_is_valid_and_finds_its_rows_by_an_index(db: Database, subtests: pytest.Subtests) -> None:
    for where, sql in STATEMENTS:
        with subtests.test(where):
            numbers = [int(number) for number in re.findall(r"\$(\d+)", sql)]
            assert set(numbers) == set(range(1, max(numbers, default=0) + 1)), f"{where} leaves out a parameter"
            plan = await SCANS[db.engine](db, sql, [None] * max(numbers, default=0))
            assert plan == [], f"{where} reads a table from end to end"


async def sqlite_scans(db: Database, sql: str, unset: list[None]) -> list[str]:
    """Return the tables that SQLite would read whole, except those in memory."""
    plan = await db.transaction(lambda tx: tx.all(cast("LiteralString", f"EXPLAIN QUERY PLAN {sql}"), *unset))
    details = [str(row[-1]) for row in plan]
    return [detail for detail in details if detail.startswith("SCAN") and not in_memory(detail)]


async def postgres_scans(db: Database, sql: str, unset: list[None]) -> list[str]:
    """Return the tables that PostgreSQL can only read whole."""

    async def explain(tx: Transaction) -> list[str]:
        await tx.run("SET LOCAL enable_seqscan = off")  # tables are empty here: it would not bother with an index
        await tx.run("SET LOCAL plan_cache_mode = force_generic_plan")
        return [str(row[0]) for row in await tx.all(cast("LiteralString", f"EXPLAIN {sql}"), *unset)]

    return [line for line in await db.transaction(explain) if "Seq Scan" in line]


SCANS = {"sqlite": sqlite_scans, "postgres": postgres_scans}


def in_memory(detail: str) -> bool:
    """Rows of a recursive query, of a subquery, and constants are no tables."""
    return any(detail.startswith(f"SCAN {name}") for name in ("branch", "b", "measured", "CONSTANT"))


BESIDE = {
    "leases.list_leased": "at the start of a process",
    "leases.list_expired": "a third of a lease apart",
    "leases.rename_worker": "when a process has lost its slot",
    "leases.list_owned_ids": "once a second, by the index of one process's runs",
    "runs.list_expired_logs": "every ten seconds",
    "waiting.list_overdue": "at a deadline",
    "waiting.find_next_deadline": "at a deadline",
    "sessions.list_sessions": "a list of one owner's sessions",
    "facts.add_fact": "one owner's facts",
    "facts.count_facts": "one owner's facts",
    "facts.list_facts": "one owner's facts",
    "facts.delete_fact": "one owner's facts",
    "prompts.add_prompt": "a small table that every node can have whole",
    "prompts.get_prompt": "a small table that every node can have whole",
}
"""Statements that touch several sessions, and when they run: never for each event or message."""
ABOUT_ONE = re.compile(
    r"\b(id|session_id|run_id|message_id) = \$\d"
    r"|INSERT INTO (sessions|session_prompts|messages|runs|run_events|model_calls)"
)


@pytest.mark.parametrize(("where", "sql"), STATEMENTS, ids=[where for where, _ in STATEMENTS])
def test_no_statement_of_a_message_touches_several_sessions(where: str, sql: str) -> None:
    """So all tables but two can be spread over servers by session (docs/scale.md)."""
    assert where.startswith("copying") or where in BESIDE or ABOUT_ONE.search(sql), where
