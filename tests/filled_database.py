"""A database with enough rows that its planner has a choice, and with statistics of them."""

import asyncio

from chatkeep import ids
from chatkeep.chat.events import StepStarted, to_entry
from chatkeep.db import Database, Param, Transaction, can_be_repeated
from tests.values import TIME, uid

LARGE = uid("large session")
"""The id of the session that has a quarter of all messages."""
TURNS = {LARGE: 1_000, **{uid(f"session {number}"): 5 for number in range(600)}}
"""The turns of each session, by its id. A turn is two messages and a run with a log."""
LOG = [(n, to_entry(StepStarted(position=n, index=n)).json.decode()) for n in (1, 2, 3)]
"""The positions and events of each run's log."""
PARTS = '[{"type":"text","text":"' + "Why do sagas have no author? " * 20 + '"}]'


async def fill(db: Database) -> None:
    """Add the sessions of `TURNS` to an empty database, and gather statistics."""
    await asyncio.gather(*(db.transaction(lambda tx, id_=id_: add_session(tx, id_, TURNS[id_])) for id_ in TURNS))
    await db.transaction(_analyze)


async def _analyze(tx: Transaction) -> None:
    tx.prove(can_be_repeated)
    await tx.run("ANALYZE")


async def add_session(tx: Transaction, session_id: str, turns: int, owner: str = "local") -> None:
    """Add a session of so many turns, all ended, whose messages are one branch."""
    key = ids.session_key(session_id)
    messages = [ids.new_in(session_id) for _ in range(2 * turns)]
    await tx.run(
        """INSERT INTO sessions (session_key, id, owner, assistant, metadata, next_message, next_run, created_at,
                                 updated_at)
           VALUES ($1, $2, $3, 'default', '{}', $4, $5, $6, $6)""",
        *(key, session_id, owner, 2 * turns + 1, turns + 1, TIME),
    )
    await tx.many(
        """INSERT INTO messages (session_key, id, seq, parent_id, role, parts, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        [
            (key, id_, seq, messages[seq - 2] if seq > 1 else None, ("assistant", "user")[seq % 2], PARTS, TIME)
            for seq, id_ in enumerate(messages, 1)
        ],
    )
    await tx.many(
        """INSERT INTO runs (session_key, number, id, user_message_id, message_id, status, attempt, position, request,
                             model, input_tokens, output_tokens, usage_estimated, input_bytes, log_kept, created_at,
                             finished_at)
           VALUES ($1, $2, $3, $4, $5, 'completed', 1, 3, '{}', 'model', 1, 1, FALSE, 1, TRUE, $6, $6)""",
        [
            (key, number, ids.new_in(session_id), *messages[2 * number - 2 : 2 * number], TIME)
            for number in range(1, turns + 1)
        ],
    )
    events: list[tuple[Param, ...]] = [(key, number, *event) for number in range(1, turns + 1) for event in LOG]
    await tx.many("INSERT INTO run_events (session_key, run_number, position, event) VALUES ($1, $2, $3, $4)", events)
    await tx.run("UPDATE sessions SET head_id = $2 WHERE session_key = $1", key, messages[-1])
    tx.prove(can_be_repeated)
