"""Starts a run: prepare the turn, claim it in one transaction, execute it in the background."""

import asyncio

from chatkeep import ids
from chatkeep.chat.events import RunStarted
from chatkeep.chat.types import Run
from chatkeep.errors import TurnFailed
from chatkeep.llm import ModelInfo
from chatkeep.runs.claim import Claim, KeyUsed, PreparedTurn, SessionChanged, claim_turn
from chatkeep.runs.execute import start_execution
from chatkeep.runs.prepare import prepare_turn
from chatkeep.runs.quota import Quota, estimate_hold, refuse_early
from chatkeep.runs.request import TurnRequest
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.turn_input import TurnHistory


async def start_run(runtime: Runtime, owner: str, session_id: str, request: TurnRequest, key: str | None) -> Run:
    """Return the run that answers `request`: a new one, which this process executes, or the one that `key` made before.

    Raises:
        Refused: see `docs/http-api.md`; nothing is stored.
    """
    if request.on_busy == "interrupt":
        await runtime.journal.flush_session(session_id)
    # Shielded: a caller that is cancelled between claim and start would leave a run that no worker executes.
    return await asyncio.shield(asyncio.ensure_future(_start(runtime, owner, session_id, request, key)))


async def _start(runtime: Runtime, owner: str, session_id: str, request: TurnRequest, key: str | None) -> Run:
    run_id = ids.new_in(session_id)
    try:
        while True:
            turn = await prepare_turn(runtime, owner, session_id, request, key, run_id)
            if isinstance(turn, Run):
                return turn
            turn = await _add_quota(runtime, turn)
            try:
                claim = await _claim(runtime, turn)
            except SessionChanged:
                continue  # it was changed in this moment, which cannot go on for long
            _execute(runtime, turn, claim)
            return claim.run
    except KeyUsed as used:
        return used.run
    finally:
        runtime.slots.release(run_id)


async def _add_quota(runtime: Runtime, turn: PreparedTurn) -> PreparedTurn:
    """Return the turn with what it takes of its owner's limits, if they have any.

    Raises:
        QuotaExceeded: it would pass one.
    """
    defaults = runtime.settings.user_limits
    limits = turn.own_limits.or_else(defaults)
    if not limits.is_any:
        return turn
    parts = [*(message.parts for message in turn.history or ()), turn.user_parts, turn.begun_parts]
    info, ratio = _describe(runtime, turn.model), turn.bytes_per_token.get(turn.model)
    hold = estimate_hold(info, runtime.settings.context_tokens, turn.spec.snapshot(), parts, ratio)
    owner, session_id, key = turn.owner, turn.session_id, turn.key.name if turn.key else None
    hold = await runtime.db.snapshot(lambda tx: refuse_early(tx, owner, session_id, key, limits, hold))
    return turn._replace(quota=Quota(defaults, hold), record={**turn.record, "has_hold": True})


def _describe(runtime: Runtime, model: str) -> ModelInfo:
    try:
        return runtime.model.describe(model)
    except TurnFailed:  # the models file was changed in this moment: the turn will fail, too
        return ModelInfo("", model)


async def _claim(runtime: Runtime, turn: PreparedTurn) -> Claim:
    if turn.quota is None:
        return await runtime.db.transaction(lambda tx: claim_turn(tx, turn))
    # They would wait for each other in the database, each with a connection that other owners need.
    async with runtime.claim_locks.setdefault(turn.owner, asyncio.Lock()):
        return await runtime.db.transaction(lambda tx: claim_turn(tx, turn))


def _execute(runtime: Runtime, turn: PreparedTurn, claim: Claim) -> None:
    if claim.interrupted is not None:
        runtime.on_ended(claim.interrupted)
    if not turn.spec.is_session_specific:
        runtime.stored_prompts.add(turn.prompt_hash)
    history = _history(turn, claim)
    start_execution(runtime, claim.run, [claim.entry], turn.spec, claim.run.created_at, history)
    runtime.notify_session(turn.session_id, turn.owner)


def _history(turn: PreparedTurn, claim: Claim) -> TurnHistory | None:
    """Return the history that was read when the turn was prepared; None if it may have changed since."""
    started = claim.entry.event
    if turn.history is None or claim.has_moved or not isinstance(started, RunStarted):
        return None
    messages = [*turn.history, started.user_message]
    return TurnHistory(turn.owner, messages, started.message, turn.bytes_per_token.get(turn.model))
