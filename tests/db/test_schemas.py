"""The two engines' schemas are one: same tables, columns, kinds of values, keys, references, and indexes."""

import re
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import pytest

from chatkeep.db import Database, Transaction
from chatkeep.runs.loading import open_database
from tests.databases import new_database
from tests.postgres import Server
from tests.service import settings

pytestmark = pytest.mark.anyio

KINDS = {
    "uuid": "TEXT", "text": "TEXT", "json": "TEXT", "timestamp with time zone": "TEXT",
    "integer": "INTEGER", "bigint": "INTEGER", "boolean": "INTEGER", "bytea": "BLOB",
    "tsvector": "TEXT",
}  # fmt: skip
"""The SQLite type of each PostgreSQL type."""


ROW_NUMBER = ("search_number",)
"""SQLite's own key of the rows of `messages`, which its index of words names. On PostgreSQL it is a plain column: a key
would have to hold `session_key`."""
WORD_TABLES = re.compile(r"pending_words|(message|title)_words(_\w+)?")
"""The index of words on SQLite. On PostgreSQL it is columns `words` of type tsvector, with an index each."""
WORD_INDEXES = {("messages", ("words",)), ("session_titles", ("words",)), ("session_titles", ("session_key",))}
"""The index on `words` of each engine, of which the other has none."""


class Table(NamedTuple):
    """A table in an engine-independent form."""

    columns: dict[str, tuple[str, bool]]
    """Kind, and whether it may not be null, by name."""
    keys: set[tuple[tuple[str, ...], str | None]]
    """Columns of each unique key, and the condition of one that is partial."""
    indexes: set[tuple[tuple[str, ...], str | None]]
    """The same of each index that is no key."""
    references: set[tuple[str, str, bool]]
    """Columns, table, and whether deletions cascade."""
    checks: int


class Databases(NamedTuple):
    """The two schemas, one of each engine."""

    sqlite: Database
    postgres: Database


@pytest.fixture
async def databases(tmp_path: Any, postgres: Server) -> AsyncGenerator[Databases]:
    with new_database(postgres) as url:
        both = Databases(await open_database(settings(tmp_path)), await open_database(settings(url)))
        yield both
        await both.sqlite.close()
        await both.postgres.close()


async def test_the_two_schemas_mean_the_same(databases: Databases, subtests: pytest.Subtests) -> None:
    lite = await databases.sqlite.snapshot(sqlite_tables)
    full = await databases.postgres.snapshot(postgres_tables)
    assert lite.keys() == full.keys()
    assert {"sessions", "messages", "runs", "run_events"} <= lite.keys()
    for name in sorted(lite):
        with subtests.test(name):
            assert lite[name]._asdict() == full[name]._asdict()


async def sqlite_tables(tx: Transaction) -> dict[str, Table]:
    rows = await tx.all("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_migrations'")
    return {name: await sqlite_table(tx, name, sql) for name, sql in rows if not WORD_TABLES.fullmatch(name)}


async def sqlite_table(tx: Transaction, name: str, sql: str) -> Table:
    info = await tx.all('SELECT name, type, "notnull", pk FROM pragma_table_info($1)', name)
    indexes = await tx.all(
        """SELECT i.name, i."unique", s.sql FROM pragma_index_list($1) i LEFT JOIN sqlite_schema s ON s.name = i.name
            WHERE i.origin <> 'pk'""",
        name,
    )
    found = [
        (tuple(row[0] for row in await tx.all("SELECT name FROM pragma_index_info($1)", index)), is_unique, where(text))
        for index, is_unique, text in indexes
    ]
    primary = tuple(row[0] for row in sorted((row for row in info if row[3]), key=lambda row: row[3]))
    references = await tx.all(
        """SELECT group_concat("from", ', '), "table", on_delete
             FROM (SELECT * FROM pragma_foreign_key_list($1) ORDER BY id, seq) GROUP BY id""",
        name,
    )
    return Table(
        {column: (kind, bool(not_null or key)) for column, kind, not_null, key in info},
        {
            *((primary, None) for _ in primary if primary != ROW_NUMBER),
            *((columns, condition) for columns, is_unique, condition in found if is_unique),
        },
        {
            (columns, condition)
            for columns, is_unique, condition in found
            if not is_unique and (name, columns) not in WORD_INDEXES
        },
        {(column, table, rule == "CASCADE") for column, table, rule in references},
        len(re.findall(r"\bCHECK\b", sql)) - len(re.findall(r"IN \(0, 1\)", sql)),  # a boolean is its own check
    )


async def postgres_tables(tx: Transaction) -> dict[str, Table]:
    rows = await tx.all(
        """SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"""
    )
    return {row[0]: await postgres_table(tx, row[0]) for row in rows}


async def postgres_table(tx: Transaction, name: str) -> Table:
    columns = await tx.all(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = $1", name
    )
    indexes = await tx.all(
        """SELECT i.indisunique, pg_get_expr(i.indpred, i.indrelid),
                  (SELECT string_agg(a.attname, ' ' ORDER BY k.number)
                     FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, number)
                     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
             FROM pg_index i WHERE i.indrelid = CAST(CAST($1 AS TEXT) AS regclass)""",
        name,
    )
    constraints = await tx.all(
        """SELECT contype, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = CAST(CAST($1 AS TEXT) AS regclass)""",
        name,
    )
    found = [(tuple(names.split(" ")), unique, condition and plain(condition)) for unique, condition, names in indexes]
    return Table(
        {column: (KINDS[kind], nullable == "NO") for column, kind, nullable in columns},
        {(names, condition) for names, unique, condition in found if unique},
        {(names, condition) for names, unique, condition in found if not unique and (name, names) not in WORD_INDEXES},
        {reference(text) for kind, text in constraints if kind in (b"f", "f")},
        sum(kind in (b"c", "c") for kind, _ in constraints),
    )


def reference(text: str) -> tuple[str, str, bool]:
    found = re.match(r"FOREIGN KEY \(([\w, ]+)\) REFERENCES (\w+)\(", text)
    assert found is not None, text
    return found[1], found[2], "ON DELETE CASCADE" in text


def where(sql: str | None) -> str | None:
    """The condition of a partial index, as its statement has it."""
    return plain(sql.partition(" WHERE ")[2]) if sql and " WHERE " in sql else None


def plain(condition: str) -> str:
    """A condition in a form that both engines' ways to print it come to."""
    text = re.sub(r"::\w+(\[\])?", "", condition)
    text = re.sub(r"= ANY \(ARRAY\[([^]]*)\]\)", r"IN \1", text)
    return re.sub(r"[()\s]", "", text).replace("=TRUE", "=true")
