"""The claim of a turn: ONE transaction stores the user message, the empty answer, the run and its first event.

SQL and pure functions only: everything else was prepared before (`runs/prepare.py`). The first statement updates the
session's row, whose lock puts the claims of a session in line. A refusal rolls back all of it. The key of a repeated
request is looked up before every limit, here once more, since two equal requests may have been prepared side by side.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from chatkeep import ids
from chatkeep.agent.turn_spec import TurnSpec
from chatkeep.chat.events import Entry, RunStarted, to_entry
from chatkeep.chat.types import Message, Part, PromptSnapshot, Run, Session, Usage, has_ended
from chatkeep.db import Transaction
from chatkeep.errors import EventsExpired, IdempotencyMismatch, InvalidRequest, SessionBusy
from chatkeep.runs.end import EndedRun, end_run
from chatkeep.runs.quota import Quota, take_hold
from chatkeep.runs.request import EarlierMessage, NewMessage, TurnRequest
from chatkeep.store import events as store_events
from chatkeep.store import kept_logs
from chatkeep.store import limits as store_limits
from chatkeep.store import messages as store_messages
from chatkeep.store import prompts as store_prompts
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.store.leases import Lease
from chatkeep.store.message_files import add_references
from chatkeep.store.session_titles import set_title_words


class SessionFields(NamedTuple):
    """The fields of a session that a turn spec depends on; the claim refuses a spec made of others."""

    assistant: str
    model: str | None
    title: str | None
    params: Mapping[str, Any]
    instructions: str | None
    temporary: bool

    @classmethod
    def of(cls, session: Session) -> "SessionFields":
        """Return the fields of `session`."""
        return cls(*(getattr(session, name) for name in cls._fields))


class PreparedTurn(NamedTuple):
    """Everything that a claim writes beside what the session's row says.

    `user_message` is the message that a `NewRun` answers again, else None; `user_parts` are those of the message that
    is answered, `begun_parts` those of the answer that it goes on with. `earlier` are messages to be stored before the
    user's (`to_messages`). `snapshot` is the prompt snapshot to store, None if it is known to be stored already.
    `history` is what the user's message follows, oldest first: the branch as it was when `head_id` was the session's
    head, and `earlier`; None if an answer was open then. `first_title`: for a session that has none; None if it is
    given none. `quota` is what the turn takes of its owner's limits (`runs/quota.py`); None if they have none.
    """

    run_id: str
    owner: str
    own_limits: store_limits.Limits
    session_id: str
    request: TurnRequest
    key: store_runs.RequestKey | None
    session: SessionFields
    user_message: Message | None
    user_parts: Sequence[Part]
    begun_parts: Sequence[Part]
    earlier: Sequence[Message]
    head_id: str | None
    history: Sequence[Message] | None
    bytes_per_token: Mapping[str, float]
    spec: TurnSpec
    model: str
    prompt_hash: str
    snapshot: PromptSnapshot | None
    record: dict[str, Any]
    first_title: str | None
    worker: str
    lease_seconds: float
    quota: Quota | None = None


class Claim(NamedTuple):
    """A run that was just stored, with its first entry; and the run that it interrupted, if any.

    `has_moved`: the session has another head than when the turn was prepared, so its history has to be read again.
    """

    run: Run
    entry: Entry
    interrupted: EndedRun | None
    has_moved: bool


class SessionChanged(Exception):  # noqa: N818  # a way out of the transaction, no error
    """The session's assistant, model or title changed since the turn was prepared: prepare it anew."""


class KeyUsed(Exception):  # noqa: N818  # likewise
    """The idempotency key has made a run since the turn was prepared: `run`."""

    def __init__(self, run: Run) -> None:
        self.run = run


def to_messages(earlier: Sequence[EarlierMessage], session_id: str, now: str) -> list[Message]:
    """Return `earlier` as messages of a session, each after the one before it.

    What is said of earlier answers is marked as claimed: they were not given here. The first message has no parent,
    and the numbers (`seq`) begin with 0: the claim gives them their place.
    """
    messages: list[Message] = []
    for seq, each in enumerate(earlier):
        message = Message(
            id=ids.new_in(session_id),
            session_id=session_id,
            parent_id=messages[-1].id if messages else None,
            seq=seq,
            role=each.role,
            parts=each.parts,
            run_id=None,
            status="completed",
            created_at=now,
            claimed=True if each.role == "assistant" else UNSET,
        )
        messages.append(message)
    return messages


async def claim_turn(tx: Transaction, turn: PreparedTurn) -> Claim:
    """Store the turn, and end the session's open run if the request interrupts it.

    Raises:
        Refused: the session is gone or busy, the parent cannot be followed, or a limit of the owner is reached.
        SessionChanged, KeyUsed: see there.
    """
    is_new = isinstance(turn.request, NewMessage)
    count = len(turn.earlier) + (2 if is_new else 1)
    reserved = await store_sessions.reserve(tx, turn.owner, turn.session_id, messages=count)
    if run := await find_keyed_run(tx, turn.session_id, turn.key):
        raise KeyUsed(run)
    if SessionFields(*reserved[3:]) != turn.session:
        raise SessionChanged
    interrupted = await _end_open_run(tx, turn)
    if turn.quota is not None:
        await take_hold(tx, turn.owner, turn.run_id, turn.quota)
    now = await tx.now()
    found_by = None if reserved.temporary else turn.owner
    user = turn.user_message or await _new_user_message(tx, turn, reserved, now, found_by)
    run = _new_run(turn, reserved.number, user.id, now)
    answer = _new_answer(run, reserved.seq + count - 1, now, turn.begun_parts)
    if is_new:
        await store_messages.add_message(tx, user, found_by)
        await add_references(tx, turn.owner, *turn.earlier, user)
    await store_messages.add_message(tx, answer)
    await add_references(tx, turn.owner, answer)  # of functions, in an answer that it continues
    if turn.snapshot is not None:
        session_id = turn.session_id if turn.spec.is_session_specific else None
        await store_prompts.add_prompt(tx, turn.prompt_hash, turn.snapshot, session_id)
    lease = Lease.begin(turn.worker, now, turn.lease_seconds)
    await store_runs.add_run(tx, run, turn.record, turn.key, lease)
    entry = to_entry(RunStarted(position=1, run=run, user_message=user, message=answer))
    await store_events.add_events(tx, run.key, [entry])
    await store_sessions.set_head(tx, turn.session_id, answer.id, turn.first_title)
    if turn.first_title is not None and found_by is not None:
        await set_title_words(tx, turn.session_id, turn.first_title, found_by)
    return Claim(run, entry, interrupted, has_moved=reserved.head_id != turn.head_id)


async def find_keyed_run(tx: Transaction, session_id: str, key: store_runs.RequestKey | None) -> Run | None:
    """Return the run that this idempotency key made in this session; None if it made none.

    Raises:
        IdempotencyMismatch: the key was used for another request.
        EventsExpired: the run's log is no longer there to be followed.
    """
    keyed = await store_runs.find_by_key(tx, session_id, key.name) if key is not None else None
    if key is None or keyed is None:
        return None
    run = keyed.run
    if keyed.request_hash != key.request_hash:
        raise IdempotencyMismatch("this Idempotency-Key was used for another request", run_id=run.id)
    if not await kept_logs.has_log(tx, run.key):
        raise EventsExpired("the run's events are no longer kept", run_id=run.id, message_id=run.message_id)
    return run


def check_not_busy(open_run: Run | None, request: TurnRequest) -> None:
    """Refuse a request that may not interrupt the open run. A run that waits for its client blocks no request.

    Raises:
        SessionBusy: an answer is being made, and the request says to reject then.
    """
    if open_run is not None and open_run.status == "in_progress" and request.on_busy == "reject":
        raise SessionBusy("an answer is being made in this session", run_id=open_run.id)


async def _end_open_run(tx: Transaction, turn: PreparedTurn) -> EndedRun | None:
    run = await store_runs.find_open(tx, turn.session_id)
    check_not_busy(run, turn.request)
    return await end_run(tx, run.key, "cancelled") if run else None


async def _new_user_message(
    tx: Transaction, turn: PreparedTurn, reserved: store_sessions.Reservation, now: str, found_by: str | None
) -> Message:
    request = turn.request
    assert isinstance(request, NewMessage), "another answer names a message that is stored"
    parent_id = reserved.head_id if request.follows_head else request.parent_id
    if not request.follows_head and parent_id is not None:
        parent = await store_messages.find_in_session(tx, turn.session_id, parent_id)
        if parent is None or parent.role != "assistant" or not has_ended(parent.status):
            raise InvalidRequest("parent_id: not an ended assistant message of this session")
    if turn.earlier:
        first, *rest = [replace(each, seq=reserved.seq + each.seq, created_at=now) for each in turn.earlier]
        await store_messages.add_messages(tx, [replace(first, parent_id=parent_id), *rest], found_by)
    return Message(
        id=ids.new_in(turn.session_id),
        session_id=turn.session_id,
        parent_id=turn.earlier[-1].id if turn.earlier else parent_id,
        seq=reserved.seq + len(turn.earlier),
        role="user",
        parts=tuple(turn.user_parts),
        run_id=None,
        status="completed",
        created_at=now,
        client_id=request.client_id or UNSET,
    )


def _new_run(turn: PreparedTurn, number: int, user_message_id: str, now: str) -> Run:
    return Run(
        id=turn.run_id,
        session_id=turn.session_id,
        number=number,
        user_message_id=user_message_id,
        message_id=ids.new_in(turn.session_id),
        status="in_progress",
        model=turn.model,
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


def _new_answer(run: Run, seq: int, now: str, begun_parts: Sequence[Part]) -> Message:
    return Message(
        id=run.message_id,
        session_id=run.session_id,
        parent_id=run.user_message_id,
        seq=seq,
        role="assistant",
        parts=tuple(begun_parts),
        run_id=run.id,
        status="in_progress",
        created_at=now,
    )
