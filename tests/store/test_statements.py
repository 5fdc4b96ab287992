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
from chatkeep.store import copying, removal
from tests.service import settings

pytestmark = pytest.mark.anyio

STORE = Path(chatkeep.__file__).parent / "store"
METHODS = {"all", "one", "run", "many", "returning"}


def statements() -> Iterator[tuple[str, str]]:
    """(module.function, SQL) of every call on a connection in `store/`."""
    for table in copying.TABLES:
        yield f"copying, {table.name}: select", table.select
        yield f"copying, {table.name}: insert", table.insert
    for number, removed in enumerate(removal.TABLES):
        yield f"removal {number}: select", removed.select
        yield f"removal {number}: delete", removed.delete
    for file in sorted(STORE.glob("[!_]*.py")):
        if file.stem in ("copying", "examination"):  # of commands that read whole tables, page by page
            continue
        names = vars(importlib.import_module(f"chatkeep.store.{file.stem}"))
        for function in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(function, ast.AsyncFunctionDef):
                for call in ast.walk(function):
                    if (
                        isinstance(call, ast.Call)
                        and isinstance(call.func, ast.Attribute)
                        and call.func.attr in METHODS
                        and not (file.stem == "removal" and isinstance(call.args[0], ast.Attribute))  # of its tables
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
        return await explain_generic(tx, sql, len(unset), "")

    return [line for line in await db.transaction(explain) if "Seq Scan" in line]


async def explain_generic(tx: Transaction, sql: str, parameters: int, options: str) -> list[str]:
    """Return PostgreSQL's plan for any values of the parameters. (With NULLs it would see that no row is equal.)"""
    await tx.run("SET LOCAL plan_cache_mode = force_generic_plan")
    await tx.run(cast("LiteralString", f"PREPARE explained AS {sql}"))
    values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
    rows = await tx.all(cast("LiteralString", f"EXPLAIN {options} EXECUTE explained{values}"))
    await tx.run("DEALLOCATE explained")
    return [str(row[0]) for row in rows]


SCANS = {"sqlite": sqlite_scans, "postgres": postgres_scans}


def in_memory(detail: str) -> bool:
    """Rows of a recursive query, of a subquery, and constants are no tables."""
    return any(detail.startswith(f"SCAN {name}") for name in ("branch", "b", "measured", "held", "counted", "CONSTANT"))


ACROSS_SESSIONS = {
    "leases.list_leased": "at the start of a process",
    "leases.list_expired": "a third of a lease apart",
    "leases.rename_worker": "when a process has lost its slot",
    "leases.list_owned_ids": "once a second, by the index of one process's runs",
    "kept_logs.list_expired_logs": "every ten seconds",
    "waiting.list_overdue": "at a deadline",
    "waiting.find_next_deadline": "at a deadline",
    "sessions.list_sessions": "a list of one owner's sessions",
    "exporting.list_used_after": "a page of an export",
    "temporary.list_outdated": "every ten seconds",
    "temporary.keep_temporary": "when a user deletes everything",
    "search_backlog.list_backlog": "every five seconds",
    "search_backlog.add_temporary": "at the same",
    "search_backlog.add_all": "at a command of the operator",
    "users.join": "at a command of the operator",
    "message_files.move_references": "at the same",
    "message_files._mark_unused": "once for each file of a session that is removed",
}
"""Statements on tables of sessions that name no session, and when they run: never for each event or message."""
TABLES = "sessions|messages|message_files|runs|run_events|model_calls|session_prompts"
"""The tables that are distributed by `session_key` (deploy/citus.sql)."""
USES_TABLE = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE) (?:{TABLES})\b")
ALIAS = re.compile(rf"\b(?:FROM|JOIN|UPDATE) (?:{TABLES}) (?!SET\b|WHERE\b|ORDER\b|AS\b)(\w+)")
JOINED = re.compile(r"(\w+)\.session_key = (\w+)\.session_key")
BOUND = re.compile(r"(?:(\w+)\.)?\bsession_key = \$\d")
ADDED = re.compile(rf"INSERT INTO (?:{TABLES})\s+\([^)]*\bsession_key\b")


def is_bound(sql: str) -> bool:
    """Return True if every table of sessions in the statement is held to one session by a parameter."""
    if ADDED.search(sql):
        return True
    bound = {match[1] for match in BOUND.finditer(sql)}
    for _ in JOINED.findall(sql):  # as often as a chain of joins may be long
        for left, right in JOINED.findall(sql):
            if left in bound or right in bound:
                bound |= {left, right}
    return bool(bound) and set(ALIAS.findall(sql)) <= bound


@pytest.mark.parametrize(("where", "sql"), STATEMENTS, ids=[where for where, _ in STATEMENTS])
def test_every_statement_on_a_session_binds_its_key(where: str, sql: str) -> None:
    """So all rows of a session can live on any one server, which the key names (docs/scale.md)."""
    if where.startswith("copying") or not USES_TABLE.search(sql):
        return
    assert is_bound(sql) is (where not in ACROSS_SESSIONS), where


@pytest.mark.parametrize(
    ("sql", "bound"),
    [
        ("SELECT 1 FROM runs WHERE id = $1", False),
        ("SELECT 1 FROM runs r JOIN sessions s ON s.session_key = r.session_key WHERE r.id = $1", False),
        ("SELECT 1 FROM runs r JOIN sessions s ON s.session_key = r.session_key WHERE s.session_key = $1", True),
        ("SELECT 1 FROM runs r JOIN messages m ON m.id = r.message_id WHERE r.session_key = $1", False),
        ("INSERT INTO messages (id, seq) VALUES ($1, $2)", False),
        ("UPDATE runs SET position = $3 WHERE session_key = $1 AND number = $2", True),
    ],
)
def test_a_statement_without_a_session_is_found(sql: str, bound: bool) -> None:
    assert is_bound(sql) is bound
