"""deploy/citus.sql on plain PostgreSQL: every key of a distributed table holds the column that it is distributed by."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import NamedTuple

import pytest

from chatkeep.db import Database, Row
from chatkeep.runs.loading import open_database
from tests.databases import new_database
from tests.postgres import Server
from tests.service import settings

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).parent.parent.parent / "deploy" / "citus.sql"
_DISTRIBUTE = r"SELECT create_distributed_table\('(\w+)', '(\w+)'"
DISTRIBUTED = re.compile(rf"^{_DISTRIBUTE}, colocate_with => '(\w+)'\);$", re.MULTILINE)
FIRST = re.compile(rf"^{_DISTRIBUTE}\);$", re.MULTILINE)
REFERENCE = re.compile(r"^SELECT create_reference_table\('(\w+)'\);$", re.MULTILINE)
KEYS = """
    SELECT c.relname, i.relname, ARRAY_TO_STRING(ARRAY(
               SELECT a.attname FROM pg_attribute a WHERE a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey)), ' ')
      FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
     WHERE x.indisunique AND c.relnamespace = CAST('public' AS regnamespace)"""
REFERENCES = """
    SELECT CAST(CAST(conrelid AS regclass) AS TEXT), CAST(CAST(confrelid AS regclass) AS TEXT), ARRAY_TO_STRING(ARRAY(
               SELECT a.attname || '=' || b.attname
                 FROM UNNEST(conkey, confkey) AS k (here, there)
                 JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.here
                 JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = k.there), ' ')
      FROM pg_constraint WHERE contype = 'f'"""


class Distribution(NamedTuple):
    """What the script says: the column and the group of each distributed table, and the tables on every server."""

    columns: dict[str, str]
    groups: dict[str, str]
    everywhere: set[str]


def read_script() -> Distribution:
    text = SCRIPT.read_text("utf-8")
    groups = {name: name for name, _ in FIRST.findall(text)}
    groups |= {name: name if beside == "none" else beside for name, _, beside in DISTRIBUTED.findall(text)}
    columns = dict(FIRST.findall(text)) | {name: column for name, column, _ in DISTRIBUTED.findall(text)}
    return Distribution(columns, groups, set(REFERENCE.findall(text)))


@pytest.fixture
async def db(postgres: Server) -> AsyncGenerator[Database]:
    with new_database(postgres) as url:
        db = await open_database(settings(url))
        yield db
        await db.close()


async def read_all(db: Database, sql: str) -> list[Row]:
    return await db.snapshot(lambda tx: tx.all(sql))  # type: ignore[arg-type]  # a constant of this file


async def test_every_table_is_placed(db: Database) -> None:
    script = read_script()
    rows = await read_all(db, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {name for (name,) in rows} - {"schema_migrations"} == script.columns.keys() | script.everywhere
    assert not script.columns.keys() & script.everywhere


async def test_every_unique_key_holds_the_column(db: Database) -> None:
    script = read_script()
    keys = [row for row in await read_all(db, KEYS) if row[0] in script.columns]
    assert len(keys) > 10
    for table, index, columns in keys:
        assert script.columns[table] in columns.split(), (table, index)


async def test_every_reference_stays_on_its_server(db: Database) -> None:
    script = read_script()
    references = [row for row in await read_all(db, REFERENCES) if row[0] in script.columns]
    assert len(references) > 7
    for table, to, pairs in references:
        if to in script.everywhere:
            continue
        assert script.groups[table] == script.groups[to], (table, to)
        assert f"{script.columns[table]}={script.columns[to]}" in pairs.split(), (table, to)


async def test_a_distribution_column_is_never_null(db: Database) -> None:
    sql = "SELECT table_name, column_name FROM information_schema.columns WHERE is_nullable = 'NO'"
    assert read_script().columns.items() <= set(await read_all(db, sql))
