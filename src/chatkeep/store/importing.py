"""Adds sessions that were made elsewhere, page by page: none is seen before it is whole.

    staged ──▶ published               a staged session is no user's: its owner is `import:OWNER:TOKEN`
      │
      └─────▶ deleted, removed         by the next import of the same session, or after a while as a temporary one

1. `TOKEN` names one import. Who finds another's staged session of the same owner removes it: that import was cut off,
   or the newer one wins, and the older one learns it by `Superseded`.
2. Ids are kept where they are free. A message's or run's id is free if no row of another session can have it.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from chatkeep import ids
from chatkeep.chat.files import files_of
from chatkeep.chat.types import Fact, Message, Run, Session
from chatkeep.db import Param, Transaction, can_be_repeated
from chatkeep.errors import NotFound
from chatkeep.store import messages as store_messages
from chatkeep.store import search_backlog
from chatkeep.store import sessions as store_sessions
from chatkeep.store.files import use_files

_encode = msgspec.json.encode
_BYTES_PER_TOKEN = 4
"""Bytes of prompts per token of an imported run: they were not counted here (`agent/context_window.py`)."""

State: TypeAlias = Literal["free", "there", "left", "taken"]


class Place(NamedTuple):
    """The id that an imported session has or gets here.

    `there`: the owner has it already. `left`: an earlier import has left a part of it. `taken`: it cannot be had now.
    """

    session_id: str
    state: State


class Superseded(Exception):  # noqa: N818  # a way out of the transaction, no error
    """Another import of the owner has taken the session over."""


def staging_owner(owner: str, token: str) -> str:
    """Return the owner of what an import has not published yet."""
    return f"import:{owner}:{token}"


async def find_place(tx: Transaction, owner: str, old_id: str) -> Place:
    """Return where the session goes that was `old_id` elsewhere."""
    kept, derived = ids.parse(old_id), ids.derive(owner, old_id)
    candidates = [each for each in (kept, derived) if each is not None]
    states: dict[str, State] = {each: await _find_state(tx, owner, each) for each in candidates}
    for each in candidates:
        if states[each] == "there":
            return Place(each, "there")
    for each in candidates:
        if states[each] != "taken":
            return Place(each, states[each])
    return Place(derived, "taken")


async def _find_state(tx: Transaction, owner: str, session_id: str) -> State:
    row = await tx.one("SELECT owner, id FROM sessions WHERE session_key = $1", ids.session_key(session_id))
    if row is None:
        return "free"
    if row[1] != session_id:  # the same key by chance
        return "taken"
    if row[0] == owner:
        return "there"
    return "left" if row[0].startswith(staging_owner(owner, "")) else "taken"


async def discard(tx: Transaction, staging: str, session_id: str) -> None:
    """Delete what is staged of a session by an owner like `staging`. Its rows are then removed as any session's."""
    tx.prove(can_be_repeated)
    await tx.run(
        """UPDATE sessions SET owner = $3, head_id = NULL, deleted_at = $4, temporary = FALSE
            WHERE session_key = $1 AND owner LIKE $2""",
        ids.session_key(session_id),
        staging,
        store_sessions.NO_OWNER,
        await tx.now(),
    )


async def stage(tx: Transaction, staging: str, session: Session) -> bool:
    """Add a session that only its import sees. Return False if its id is taken."""
    now = await tx.now()
    staged = msgspec.structs.replace(session, updated_at=now, temporary=True, head_id=None)
    if await store_sessions.add_session(tx, staging, staged):
        return True
    row = await tx.one("SELECT owner, id FROM sessions WHERE session_key = $1", ids.session_key(session.id))
    return row is not None and tuple(row) == (staging, session.id)


async def touch(tx: Transaction, staging: str, session_id: str) -> None:
    """Lock a staged session, and store that its import goes on.

    Raises:
        Superseded: it is this import's no more.
    """
    row = await tx.one(
        "UPDATE sessions SET updated_at = $3 WHERE session_key = $1 AND owner = $2 RETURNING id",
        ids.session_key(session_id),
        staging,
        await tx.now(),
    )
    if row is None:
        raise Superseded


async def find_messages(tx: Transaction, session_id: str, message_ids: Iterable[str]) -> set[str]:
    """Return those of the ids that messages of the session have."""
    key = ids.session_key(session_id)
    rows = await tx.returning(
        "SELECT id FROM messages WHERE session_key = $1 AND id = $2", [(key, each) for each in sorted(set(message_ids))]
    )
    return {row[0] for row in rows}


async def find_runs(tx: Transaction, session_id: str, runs: Iterable[Run]) -> set[str]:
    """Return which of the runs' ids, and of the ids of their answers, runs of the session have."""
    key = ids.session_key(session_id)
    rows = await tx.returning(
        """SELECT id FROM runs WHERE session_key = $1 AND id = $2
            UNION ALL
           SELECT message_id FROM runs WHERE session_key = $1 AND message_id = $3""",
        [(key, each.id, each.message_id) for each in runs],
    )
    return {row[0] for row in rows}


async def find_run_ids(tx: Transaction, session_id: str, run_ids: Iterable[str]) -> set[str]:
    """Return those of the ids that runs of the session have."""
    key = ids.session_key(session_id)
    rows = await tx.returning(
        "SELECT id FROM runs WHERE session_key = $1 AND id = $2", [(key, each) for each in sorted(set(run_ids))]
    )
    return {row[0] for row in rows}


async def find_kept(tx: Transaction, session_id: str, old_ids: Iterable[str]) -> set[str]:
    """Return those of the ids that were kept by `keep_ids` for the session."""
    key = ids.session_key(session_id)
    rows = await tx.returning(
        "SELECT id FROM former_ids WHERE id = $1 AND session_key = $2", [(each, key) for each in sorted(set(old_ids))]
    )
    return {row[0] for row in rows}


async def keep_ids(tx: Transaction, session_id: str, old_ids: Iterable[str]) -> None:
    """Keep ids of messages and runs of the session that do not end with its key, where that can be.

    Such an id is looked up in `former_ids` first. So it may not be one that another session's row has, or can get.
    """
    key = ids.session_key(session_id)
    free = [each for each in sorted(set(old_ids)) if await _is_of_no_session(tx, ids.key_in(each))]
    await tx.many(
        "INSERT INTO former_ids (id, session_key) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        [(each, key) for each in free],
    )


async def _is_of_no_session(tx: Transaction, session_key: int) -> bool:
    return await tx.one("SELECT id FROM sessions WHERE session_key = $1", session_key) is None


async def add_messages(tx: Transaction, owner: str, messages: Sequence[Message]) -> list[str]:
    """Add messages to a staged session; return the ids of files that they name and the owner does not have."""
    await store_messages.add_messages(tx, messages)
    named = {(each.id, file.file_id) for each in messages for file in files_of(each)}
    missing: set[str] = set()
    for file_id in sorted({file_id for _, file_id in named}):
        try:
            await use_files(tx, owner, [file_id])
        except NotFound:
            missing.add(file_id)
    if messages:
        key = ids.session_key(messages[0].session_id)
        rows: list[tuple[Param, ...]] = [(key, *each, owner) for each in sorted(named) if each[1] not in missing]
        await tx.many(
            "INSERT INTO message_files (session_key, message_id, file_id, owner) VALUES ($1, $2, $3, $4)", rows
        )
        await tx.run(
            "UPDATE sessions SET head_id = $2, next_message = $3 WHERE session_key = $1",
            key,
            messages[-1].id,
            messages[-1].seq + 1,
        )
        tx.prove(lambda again: _has_message(again, messages[-1]))
    return sorted(missing)


async def _has_message(tx: Transaction, message: Message) -> bool:
    await store_sessions.lock(tx, message.session_id)
    return await store_messages.find_in_session(tx, message.session_id, message.id) is not None


async def add_runs(tx: Transaction, session_id: str, runs: Sequence[Run], request: str) -> None:
    """Add runs that have ended to a staged session. They have no log. `request` is the record of each turn spec."""
    key = ids.session_key(session_id)
    await tx.many(
        """INSERT INTO runs
                  (session_key, id, number, user_message_id, message_id, status, attempt, position, request, model,
                   finish_reason, error, input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, cost,
                   usage_estimated, input_bytes, log_kept, created_at, started_at, first_token_at, finished_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, FALSE, $20,
                   $21, $22, $23)""",
        [(key, *_run_row(each, request)) for each in runs],
    )
    if runs:
        await tx.run("UPDATE sessions SET next_run = $2 WHERE session_key = $1", key, runs[-1].number + 1)
        tx.prove(lambda again: _has_run(again, session_id, runs[-1]))


def _run_row(run: Run, request: str) -> tuple[Param, ...]:
    usage = run.usage
    return (
        *(run.id, run.number, run.user_message_id, run.message_id, run.status, run.attempt, run.position, request),
        *(run.model, run.finish_reason, _encode(run.error).decode() if run.error else None),
        *(usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.reasoning_tokens, usage.cost),
        *(usage.estimated, usage.input_tokens * _BYTES_PER_TOKEN),
        *(run.created_at, run.started_at, run.first_token_at, run.finished_at),
    )


async def _has_run(tx: Transaction, session_id: str, run: Run) -> bool:
    await store_sessions.lock(tx, session_id)
    row = await tx.one("SELECT id FROM runs WHERE session_key = $1 AND id = $2", ids.session_key(session_id), run.id)
    return row is not None


async def publish(tx: Transaction, staging: str, owner: str, session: Session) -> None:
    """Make a staged session the owner's, with the head and the times of `session`.

    Raises:
        Superseded: it is this import's no more.
    """
    row = await tx.one(
        """UPDATE sessions SET owner = $3, temporary = FALSE, head_id = COALESCE($4, head_id), updated_at = $5
            WHERE session_key = $1 AND owner = $2 RETURNING id""",
        ids.session_key(session.id),
        staging,
        owner,
        session.head_id,
        session.updated_at,
    )
    if row is None:
        raise Superseded
    await search_backlog.add_session(tx, session.id)
    tx.prove(lambda again: _is_published(again, owner, session.id))


async def _is_published(tx: Transaction, owner: str, session_id: str) -> bool:
    await store_sessions.lock(tx, session_id)
    return await store_sessions.find_session(tx, owner, session_id) is not None


async def has_fact(tx: Transaction, owner: str, text: str) -> bool:
    """Return True if the owner has a fact in these words."""
    return await tx.one("SELECT id FROM facts WHERE owner = $1 AND text = $2", owner, text) is not None


async def add_fact(tx: Transaction, owner: str, fact: Fact) -> bool:
    """Store a fact of the owner, under its own id if that is free. Return False if it cannot be."""
    tx.prove(can_be_repeated)
    for fact_id in (fact.id, ids.derive(owner, fact.id)):
        row = await tx.one(
            """INSERT INTO facts (id, owner, text, created_at) VALUES ($1, $2, $3, $4)
               ON CONFLICT DO NOTHING RETURNING id""",
            fact_id,
            owner,
            fact.text,
            fact.created_at,
        )
        if row is not None:
            return True
    return False


async def is_file_id_free(tx: Transaction, owner: str, file_id: str) -> bool:
    """Return True if no file of the owner has this id, also none that is not complete or being removed."""
    return await tx.one("SELECT id FROM files WHERE owner = $1 AND id = $2", owner, file_id) is None
