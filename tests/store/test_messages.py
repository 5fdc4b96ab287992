"""Reading the end of a branch: newest first, and no more of it than a prompt can hold."""

from collections.abc import AsyncGenerator

import pytest

from chatkeep import ids
from chatkeep.db import Database, Transaction
from chatkeep.runs.loading import open_database
from chatkeep.store import messages as store_messages
from tests.filled_database import PARTS, add_session
from tests.service import settings
from tests.values import uid

pytestmark = pytest.mark.anyio

SESSION, TURNS = uid("deep"), 450
TEXT_CHARS = len(PARTS) - len('[{"type":"text","text":""}]')


@pytest.fixture
async def db(database: str) -> AsyncGenerator[Database]:
    db = await open_database(settings(database))
    await db.transaction(lambda tx: add_session(tx, SESSION, TURNS))
    yield db
    await db.close()


@pytest.mark.parametrize(
    ("max_messages", "max_chars", "expected"),
    [
        (2_000, 10**9, 2 * TURNS),
        (2_000, 0, 200),  # one page
        (2_000, 200 * TEXT_CHARS - 1, 200),
        (2_000, 200 * TEXT_CHARS, 400),  # exactly full: the next message may be empty, and fit
        (2_000, 500 * TEXT_CHARS, 600),
        (250, 10**9, 250),
        (3, 0, 3),
    ],
)
async def test_only_what_a_prompt_can_hold_is_read(
    db: Database, max_messages: int, max_chars: int, expected: int
) -> None:
    async def read(tx: Transaction) -> tuple[list[str], list[str]]:
        head = await tx.one("SELECT head_id FROM sessions WHERE session_key = $1", ids.session_key(SESSION))
        assert head is not None
        latest = await store_messages.list_latest(tx, SESSION, head[0], max_messages, max_chars)
        branch = await store_messages.list_branch(tx, SESSION, head[0])
        return [each.id for each in latest], [each.id for each in branch]

    latest, branch = await db.snapshot(read)
    assert len(branch) == 2 * TURNS
    assert latest == branch[-expected:]


async def test_the_end_of_no_branch_is_empty(db: Database) -> None:
    assert await db.snapshot(lambda tx: store_messages.list_latest(tx, SESSION, None, 10, 10)) == []
