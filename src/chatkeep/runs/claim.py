"""Claiming a turn: ONE transaction stores the user message, the empty answer, the run and its first event.

It begins with the session's row, whose lock puts the claims of a session in line. Whatever refuses the claim
rolls back all of it. An idempotent repeat is recognised before every limit.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from chatkeep import clock, ids
from chatkeep.agent.assistants import Assistant
from chatkeep.agent.turn_spec import ClientTool, TurnSpec, build_spec, hash_snapshot, previous_client_tools
from chatkeep.chat.events import Entry, RunStarted, to_entry
from chatkeep.chat.types import Message, Run, TextPart, Usage, has_ended
from chatkeep.db import Transaction
from chatkeep.errors import EventsExpired, IdempotencyMismatch, InvalidRequest, SessionBusy
from chatkeep.runs import execute
from chatkeep.runs.end import EndedRun, end_run
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import prompts as store_prompts
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions

OnBusy: TypeAlias = Literal["reject", "interrupt"]


class AtHead(msgspec.Struct, frozen=True):
    """Go on after the end of the active branch."""


class NewMessage(msgspec.Struct, frozen=True):
    """What the user says; after `parent` (None: as a new first message)."""

    content: str
    parent: AtHead | str | None


class Again(msgspec.Struct, frozen=True):
    """Answer a user message that is there already once more."""

    message_id: str


class Wanted(NamedTuple):
    """A turn that somebody asks for. `model` overrides the session's; `body` is the request, for its hash."""

    session_id: str
    user: NewMessage | Again
    model: str | None
    on_busy: OnBusy
    key: str | None
    body: dict[str, Any]
    tools: Sequence[ClientTool] = ()


class _Claimed(NamedTuple):
    run: Run
    entry: Entry
    interrupted: EndedRun | None
    build_spec: TurnSpec
    prompt_hash: str


class _Repeated(Exception):  # noqa: N818  # a way out of the transaction, no error
    """The key made a run already: roll back, and go on with that one."""

    def __init__(self, run: Run) -> None:
        self.run = run


async def claim(runtime: Runtime, owner: str, wanted: Wanted) -> Run:
    """The run that answers `wanted`: a new one, which is being carried from now on, or the one its key made before.

    Raises:
        Refused: see `docs/protocol.md` §3; nothing is stored.
    """
    if wanted.on_busy == "interrupt":
        await runtime.journal.settle(wanted.session_id)
    # Shielded: a caller that is cancelled now must not leave a run behind that nobody carries.
    return await asyncio.shield(asyncio.ensure_future(_claim_and_start(runtime, owner, wanted)))


async def _claim_and_start(runtime: Runtime, owner: str, wanted: Wanted) -> Run:
    run_id = ids.new()
    try:
        claimed = await runtime.db.transaction(lambda tx: _claim(tx, runtime, owner, wanted, run_id))
        if claimed.interrupted is not None:
            runtime.on_ended(wanted.session_id, claimed.interrupted.run.id, claimed.interrupted.entries)
        if not claimed.build_spec.is_session_specific:
            runtime.prompts.add(claimed.prompt_hash)
        execute.start(runtime, claimed.run, [claimed.entry], claimed.build_spec, claimed.run.created_at)
    except _Repeated as repeated:
        return repeated.run
    finally:
        runtime.reserved.discard(run_id)
    runtime.notifier.notify(wanted.session_id)
    return claimed.run


async def _claim(tx: Transaction, runtime: Runtime, owner: str, wanted: Wanted, run_id: str) -> _Claimed:
    session_id = wanted.session_id
    new = 2 if isinstance(wanted.user, NewMessage) else 1
    reserved = await store_sessions.reserve(tx, owner, session_id, new)
    request_hash = hashlib.sha256(msgspec.json.encode(wanted.body, order="deterministic")).hexdigest()
    await _check_repeat(tx, session_id, wanted.key, request_hash)
    runtime.check_open()
    interrupted = await _make_way(tx, session_id, wanted.on_busy)
    runtime.reserve_slot(run_id, closing=interrupted is not None)
    now = await tx.now()
    user = await _user_message(tx, wanted, reserved, now)
    assistant = runtime.assistant(reserved.assistant)
    zone = runtime.settings.time_zone
    tools = await _offered(tx, runtime, wanted, user)
    given = build_spec(runtime.tools, assistant, clock.parse(now), zone, reserved.title, tools)
    run = _new_run(runtime, wanted, reserved, assistant, user.id, run_id, now)
    answer = Message(
        id=run.message_id,
        session_id=session_id,
        parent_id=user.id,
        seq=reserved.seq + new - 1,
        role="assistant",
        parts=(),
        run_id=run.id,
        status="in_progress",
        created_at=now,
    )
    if isinstance(wanted.user, NewMessage):
        await store_messages.add_message(tx, user)
    await store_messages.add_message(tx, answer)
    prompt_hash = await _prompt_kept(tx, runtime, session_id, given)
    await store_runs.add_run(tx, run, given.record(prompt_hash), wanted.key, request_hash, runtime.lease(now))
    entry = to_entry(RunStarted(position=1, run=run, user_message=user, message=answer))
    await store_events.add_events(tx, run.id, [entry])
    await store_sessions.set_head(tx, session_id, answer.id)
    return _Claimed(run, entry, interrupted, given, prompt_hash)


async def _prompt_kept(tx: Transaction, runtime: Runtime, session_id: str, given: TurnSpec) -> str:
    """The hash by which what the model is told is kept: with the session that it tells of, or for all."""
    snapshot = given.snapshot()
    prompt_hash = hash_snapshot(snapshot)
    if given.is_session_specific or prompt_hash not in runtime.prompts:
        await store_prompts.add_prompt(tx, prompt_hash, snapshot, session_id if given.is_session_specific else None)
    return prompt_hash


async def _check_repeat(tx: Transaction, session_id: str, key: str | None, request_hash: str) -> None:
    repeat = await store_runs.find_by_key(tx, session_id, key) if key is not None else None
    if repeat is None:
        return
    run = repeat.run
    if repeat.request_hash != request_hash:
        raise IdempotencyMismatch("this Idempotency-Key was used for another request", run_id=run.id)
    if not await store_runs.has_log(tx, run.id):
        raise EventsExpired("the run's events are no longer kept", run_id=run.id, message_id=run.message_id)
    raise _Repeated(run)


async def _make_way(tx: Transaction, session_id: str, on_busy: OnBusy) -> EndedRun | None:
    """Close the session's open run, if it has one that may be closed: one that waits for the client blocks nobody."""
    run = await store_runs.find_open(tx, session_id)
    if run is None:
        return None
    if run.status == "in_progress" and on_busy == "reject":
        raise SessionBusy("an answer is being made in this session", run_id=run.id)
    return await end_run(tx, run.id, "cancelled")


async def _user_message(tx: Transaction, wanted: Wanted, reserved: store_sessions.Reservation, now: str) -> Message:
    """The message to answer: made from the request, or found."""
    session_id = wanted.session_id
    if isinstance(wanted.user, Again):
        found = await store_messages.find_in_session(tx, session_id, wanted.user.message_id)
        if found is None or found.role != "user":
            raise InvalidRequest("message_id: not a user message of this session")
        return found
    parent = wanted.user.parent
    if isinstance(parent, str):
        found = await store_messages.find_in_session(tx, session_id, parent)
        if found is None or found.role != "assistant" or not has_ended(found.status):
            raise InvalidRequest("parent_id: not an ended assistant message of this session")
    return Message(
        id=ids.new(),
        session_id=session_id,
        parent_id=reserved.head_id if isinstance(parent, AtHead) else parent,
        seq=reserved.seq,
        role="user",
        parts=(TextPart(wanted.user.content),),
        run_id=None,
        status="completed",
        created_at=now,
    )


async def _offered(tx: Transaction, runtime: Runtime, wanted: Wanted, user: Message) -> Sequence[ClientTool]:
    """What the client offers; for another answer, what it offered for the last one."""
    if isinstance(wanted.user, NewMessage):
        return wanted.tools
    last = await store_runs.find_last_request(tx, user.session_id, user.id)
    return previous_client_tools(runtime.tools, last) if last else ()


def _new_run(
    runtime: Runtime,
    wanted: Wanted,
    reserved: store_sessions.Reservation,
    assistant: Assistant,
    user_message_id: str,
    run_id: str,
    now: str,
) -> Run:
    model = wanted.model or reserved.model or assistant.model or runtime.settings.model
    return Run(
        id=run_id,
        session_id=wanted.session_id,
        number=reserved.number,
        user_message_id=user_message_id,
        message_id=ids.new(),
        status="in_progress",
        model=runtime.model.name(model),
        finish_reason=None,
        error=None,
        usage=Usage(estimated=True),  # until the model has been asked and has counted
        attempt=1,
        position=1,
        created_at=now,
        started_at=now,
        first_token_at=None,
        finished_at=None,
    )
