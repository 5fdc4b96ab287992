"""How each statement finds its rows in a filled database with statistics: by an index, never by a walk through all.

Without statistics an engine takes what the text suggests. With them it chooses, and has chosen to read all messages for
one page of history.
"""

import json
import re
from collections.abc import AsyncGenerator, Iterator
from typing import Any, LiteralString, cast

import pytest

from chatkeep.db import Database, Transaction
from chatkeep.runs.loading import open_database
from tests.filled_database import fill
from tests.service import settings
from tests.store.test_statements import STATEMENTS, explain_generic

pytestmark = pytest.mark.anyio

LARGE_TABLES = {"sessions", "messages", "runs", "run_events"}
"""Tables that grow with what is said."""
SMALL_INDEXES = {"runs_open", "runs_by_worker", "runs_by_deadline"}
"""Indexes of open runs alone: a walk through one is short."""
FIRST_COLUMNS = {
    "runs_to_sweep": ("finished_at",),
    "sessions_by_use": ("owner", "updated_at"),  # an owner may have most sessions
    "sessions_to_sweep": ("updated_at",),
}
"""The columns that bound what is read of an index; `session_key`, if it is not listed."""
WALKS_OF_A_SESSION = {
    "runs.find_last": "the newest alone",
    "runs.get_bytes_per_token": "the newest 10",
    "sessions.add_session": "what SQLite would delete if it replaced the row",
    "sessions.delete_unused": "of a session without messages",
    "removal.remove_page": "all that would go with it: nothing is left",
    **{f"removal {number}: select": "the newest rows" for number in range(5)},
}
"""Statements that may read a whole session, and what they want of it: it may be most of a table."""
OF_AN_OWNER = {
    "users.join": "all that one user has becomes another's, by a command",
    "temporary.keep_temporary": "all temporary ones of a user who deletes everything",
    "search_backlog.add_all": "all that one user has got, by a command",
    "search_backlog.add_temporary": "all temporary ones of a user who deletes everything",
}
"""Statements that are meant for all sessions of an owner."""
A_SESSION = re.compile(r"\((?:\w+\.)?session_key ?= ?[^() ]+\)$")

SQLITE_STEP = re.compile(
    r"(?P<kind>SCAN|SEARCH) (?P<table>\w+)(?: USING (?:COVERING )?INDEX (?P<index>\w+))?(?P<by>.*)"
)
ALIAS = re.compile(r"\b(?:FROM|JOIN|UPDATE) (\w+) (?:AS )?(\w+)\b")


@pytest.fixture
async def db(database: str) -> AsyncGenerator[Database]:
    db = await open_database(settings(database))
    await fill(db)
    await db.close()
    db = await open_database(settings(database))  # a connection of SQLite reads the statistics once
    yield db
    await db.close()


async def test_no_statement_walks_through_a_large_table(db: Database, subtests: pytest.Subtests) -> None:
    for where, sql in STATEMENTS:
        if where in OF_AN_OWNER:
            continue
        with subtests.test(where):
            walks = await WALKS[db.engine](db, sql, where in WALKS_OF_A_SESSION)
            assert walks == [], where


async def sqlite_walks(db: Database, sql: str, of_a_session: bool) -> list[str]:
    """Return the steps in which SQLite reads a large table from one end on."""
    plan = await db.snapshot(lambda tx: tx.all(cast("LiteralString", f"EXPLAIN QUERY PLAN {sql}"), *unset(sql)))
    tables = {alias: table for table, alias in ALIAS.findall(sql)}
    return [str(row[-1]) for row in plan if is_walk(SQLITE_STEP.match(str(row[-1])), tables, of_a_session)]


def is_walk(step: re.Match[str] | None, tables: dict[str, str], of_a_session: bool) -> bool:
    if step is None or tables.get(step["table"], step["table"]) not in LARGE_TABLES or step["index"] in SMALL_INDEXES:
        return False
    return step["kind"] == "SCAN" or "AUTOMATIC" in step["by"] or is_unbounded(step["index"], step["by"], of_a_session)


def is_unbounded(index: str | None, condition: str, of_a_session: bool) -> bool:
    """Return True if a condition on an index leaves open where in it to begin."""
    if " PRIMARY KEY (rowid" in condition:
        return False
    if A_SESSION.search(condition) and index != "sessions_pkey":
        return not of_a_session
    columns = FIRST_COLUMNS.get(index or "", ("session_key",))
    return "ANY(" in condition or not all(column in condition for column in columns)


async def postgres_walks(db: Database, sql: str, of_a_session: bool) -> list[str]:
    """Return the steps in which PostgreSQL reads a large table from one end on."""

    async def explain(tx: Transaction) -> Any:
        (plan,) = await explain_generic(tx, sql, len(unset(sql)), "(FORMAT JSON)")
        return json.loads(plan)[0]["Plan"]

    return [
        f"{node['Node Type']} {node.get('Relation Name')} {node.get('Index Name')} {node.get('Index Cond')}"
        for node in nodes(await db.transaction(explain))
        if (node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE_TABLES)
        or (
            any(node.get("Index Name", "").startswith(f"{table}_") for table in LARGE_TABLES)
            and node["Index Name"] not in SMALL_INDEXES
            and is_unbounded(node["Index Name"], node.get("Index Cond", ""), of_a_session)
        )
    ]


WALKS = {"sqlite": sqlite_walks, "postgres": postgres_walks}


def unset(sql: str) -> list[None]:
    """Return a value for each parameter of a statement."""
    return [None] * max((int(number) for number in re.findall(r"\$(\d+)", sql)), default=0)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of a plan and all below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
