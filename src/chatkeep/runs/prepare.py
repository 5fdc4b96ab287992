"""Prepares a turn before its claim: everything that the claim's transaction writes and that is not SQL.

A transaction holds up every other writer (on SQLite there is one at a time), so it contains SQL and pure functions
only. Here, before it, the session is read in a snapshot; the assistant is looked up, its prompt rendered, the schemas
of client tools compiled; requests that can be refused or repeated are, without a write. The claim then checks again,
under the session's lock, what could have changed in between (`SessionChanged`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chatkeep import clock
from chatkeep.agent.titles import title_from_parts
from chatkeep.agent.turn_input import Continued
from chatkeep.agent.turn_spec import TurnSpec, build_spec, hash_snapshot, recorded_client_tools
from chatkeep.chat.types import File, Message, Part, Run, Session, has_ended
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest, Refused
from chatkeep.runs.claim import PreparedTurn, SessionFields, check_not_busy, find_keyed_run, to_messages
from chatkeep.runs.prompt_files import check_files, list_files, list_parts
from chatkeep.runs.request import ClientTurn, NewMessage, NewRun, TurnRequest
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.turn_input import count_prompt_tokens, list_prompt_messages
from chatkeep.store import limits as store_limits
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.tools.client_tool import ClientTool


class _Target(NamedTuple):
    """The target of a `NewRun`: the user's message, the record of its last run, and the answer to go on with, if any.

    `model` is the one that gave that answer.
    """

    user_message: Message
    last_record: dict[str, Any] | None
    answer: Message | None = None
    model: str = ""


class _State(NamedTuple):
    """The session at one moment: its row, its open run, the run of this key, what a `NewRun` refers to, the history.

    `own_limits` are those of its owner, `files` those that a new message refers to.
    """

    owner: str
    own_limits: store_limits.Limits
    session: Session
    keyed_run: Run | None
    open_run: Run | None
    target: _Target | None
    history: Sequence[Message] | None
    bytes_per_token: Mapping[str, float]
    files: Sequence[File]
    now: str


async def prepare_turn(
    runtime: Runtime, owner: str, session_id: str, request: TurnRequest, key: str | None, run_id: str
) -> PreparedTurn | Run:
    """Return the turn that answers `request`, ready to be claimed as `run_id`; or the run that `key` made before.

    A slot for the run is reserved; the caller releases it.

    Raises:
        Refused: see `docs/http-api.md`; nothing is stored.
    """
    request_key = store_runs.RequestKey(key, request.hash()) if key is not None else None
    max_tokens = count_prompt_tokens(runtime)
    state = await runtime.db.snapshot(lambda tx: _read_state(tx, owner, session_id, request, request_key, max_tokens))
    if state.keyed_run is not None:
        return state.keyed_run
    try:
        spec = await _admit(runtime, state, request, run_id)
    except Refused:
        if request_key is None:
            raise
        # A repeat comes before every refusal, and its run may have been stored since the session was read.
        run = await runtime.db.snapshot(lambda tx: find_keyed_run(tx, session_id, request_key))
        if run is None:
            raise
        return run
    return _prepared(runtime, state, request, spec, run_id, request_key)


async def _admit(runtime: Runtime, state: _State, request: TurnRequest, run_id: str) -> TurnSpec:
    """Return the spec of a turn that may start now, with a slot reserved for it."""
    runtime.check_open()
    check_not_busy(state.open_run, request)
    runtime.check_model(*_choose_model(runtime, state, request))
    if isinstance(request, NewRun) and state.target is None:
        if request.message_id is not None:
            raise InvalidRequest("message_id: not a user message of this session")
        raise InvalidRequest("continue: not an answer of this session that was cut")
    model, _ = _choose_model(runtime, state, request)
    await check_files(runtime, state.owner, model, _user_parts(state, request))
    spec = await _build_spec(runtime, state, request)
    runtime.check_open()  # again: from here on a drain waits for the turn
    runtime.slots.reserve(run_id, state.owner, replaces=state.open_run.id if state.open_run else None)
    return spec


async def _read_state(
    tx: Transaction,
    owner: str,
    session_id: str,
    request: TurnRequest,
    key: store_runs.RequestKey | None,
    max_tokens: int,
) -> _State:
    session = await store_sessions.get_session(tx, owner, session_id)
    keyed_run = await find_keyed_run(tx, session_id, key)
    open_run = await store_runs.find_open(tx, session_id) if session.status != "idle" else None
    target = await _find_target(tx, session_id, request) if isinstance(request, NewRun) else None
    is_refused = keyed_run is not None or open_run is not None  # or its last message is still being made
    parent_id = None if is_refused else _parent_id(session, request, target)
    bytes_per_token = await store_runs.get_bytes_per_token(tx, session_id) if parent_id else {}
    history: Sequence[Message] | None = None if is_refused else ()
    if parent_id is not None:
        limit = store_messages.MAX_HISTORY_MESSAGES - 2  # the user's message and the answer come after it
        history = await list_prompt_messages(tx, session_id, parent_id, limit, bytes_per_token, max_tokens)
    own_limits = await store_limits.find_own(tx, owner)
    files = await list_files(tx, owner, request)
    now = await tx.now()
    return _State(owner, own_limits, session, keyed_run, open_run, target, history, bytes_per_token, files, now)


def _parent_id(session: Session, request: TurnRequest, target: _Target | None) -> str | None:
    """Return the message that the user's message follows; None if it is a first one. The claim checks it."""
    if isinstance(request, NewMessage):
        return session.head_id if request.follows_head else request.parent_id
    return target.user_message.parent_id if target else None


async def _find_target(tx: Transaction, session_id: str, request: NewRun) -> _Target | None:
    """Return what `request` refers to; None if there is no such message, or nothing can be done with it."""
    message = await store_messages.find_in_session(tx, session_id, request.message_id or request.continued_id or "")
    if message is None or (message.role == "user") != (request.message_id is not None):
        return None
    if message.role == "user":
        return _Target(message, await store_runs.find_last_request(tx, session_id, message.id))
    run = await store_runs.find_in_session(tx, session_id, message.run_id) if message.run_id else None
    if run is None or run.status == "completed" or not has_ended(run.status):
        return None
    question = await store_messages.find_in_session(tx, session_id, run.user_message_id)
    assert question is not None, "an answer follows a user's message"
    return _Target(question, await store_runs.get_request(tx, run.key), message, run.model)


async def _build_spec(runtime: Runtime, state: _State, request: TurnRequest) -> TurnSpec:
    session = state.session
    assistant = runtime.get_assistant(session.assistant)
    known, time_zone = runtime.tools, runtime.settings.time_zone
    own = request if isinstance(request, ClientTurn) else None

    def build() -> TurnSpec:
        client_tools = _client_tools(runtime, state, request)
        return build_spec(
            known,
            assistant,
            clock.parse(state.now),
            time_zone,
            session.title,
            client_tools,
            {**session.params, **request.all_params},
            session.instructions if own is None or own.instructions is None else own.instructions,
        )

    has_schemas = isinstance(request, NewRun) or any(tool.is_described for tool in request.tools)
    spec = await asyncio.to_thread(build) if has_schemas else build()
    return spec._replace(
        continued=_continued(state, request),
        is_untitled=spec.is_untitled and not session.temporary,
        takes_calls=own is not None and own.takes_calls,
    )


def _continued(state: _State, request: TurnRequest) -> Continued | None:
    """Return the answer that the turn goes on with: a stored one, or what the client has of one."""
    if state.target and (answer := state.target.answer):
        return Continued(state.target.model, len(answer.parts))
    if isinstance(request, ClientTurn) and request.begun:
        return Continued(request.model or "", len(request.begun))
    return None


def _choose_model(runtime: Runtime, state: _State, request: TurnRequest) -> tuple[str, str]:
    """Return the model to ask, and whose choice it is, as the beginning of a refusal."""
    if request.model:
        return request.model, "model: "
    if state.session.model:
        return state.session.model, "the session's model must be changed (PATCH): "
    assistant = runtime.get_assistant(state.session.assistant)
    return assistant.model or runtime.settings.model, "the assistant's model: "


def _user_parts(state: _State, request: TurnRequest) -> Sequence[Part]:
    """Return the parts of the message that this request has answered."""
    return list_parts(request, state.files, state.target.user_message if state.target else None)


def _client_tools(runtime: Runtime, state: _State, request: TurnRequest) -> Sequence[ClientTool]:
    """Return the client tools of the request; for another answer, those that the last one was offered."""
    if isinstance(request, NewMessage):
        return request.tools
    record = state.target.last_record if state.target else None
    return recorded_client_tools(runtime.tools, record) if record else ()


def _prepared(
    runtime: Runtime,
    state: _State,
    request: TurnRequest,
    spec: TurnSpec,
    run_id: str,
    key: store_runs.RequestKey | None,
) -> PreparedTurn:
    session, settings, target = state.session, runtime.settings, state.target
    earlier = to_messages(request.earlier, session.id, state.now) if isinstance(request, ClientTurn) else ()
    words = _first_words(state, request)
    if isinstance(request, NewRun) and words is not None and session.title == words:
        spec = spec._replace(is_untitled=True)  # its first answer failed: the model may still find a title
    prompt_hash = hash_snapshot(snapshot := spec.snapshot())
    return PreparedTurn(
        run_id=run_id,
        owner=state.owner,
        own_limits=state.own_limits,
        session_id=session.id,
        request=request,
        key=key,
        session=SessionFields.of(session),
        user_message=target.user_message if target else None,
        user_parts=_user_parts(state, request),
        begun_parts=_begun_parts(target, request),
        earlier=earlier,
        head_id=session.head_id,
        history=None if state.history is None else [*state.history, *earlier],
        bytes_per_token=state.bytes_per_token,
        spec=spec,
        model=runtime.model.name(_choose_model(runtime, state, request)[0]),
        prompt_hash=prompt_hash,
        snapshot=None if _is_stored(runtime, spec, prompt_hash) else snapshot,
        record=_record(spec, prompt_hash, request),
        first_title=None if settings.titles == "off" else words,
        worker=runtime.name,
        lease_seconds=settings.lease,
    )


def _begun_parts(target: _Target | None, request: TurnRequest) -> Sequence[Part]:
    if isinstance(request, ClientTurn):
        return request.begun
    return target.answer.parts if target and target.answer else ()


def _first_words(state: _State, request: TurnRequest) -> str | None:
    """Return the title that the user's words make; None where none is needed."""
    has_title = state.session.title is not None and isinstance(request, NewMessage)
    return None if has_title or state.session.temporary else title_from_parts(_user_parts(state, request))


def _record(spec: TurnSpec, prompt_hash: str, request: TurnRequest) -> dict[str, Any]:
    """Return what the run's row keeps: the spec, and what a dialect's client has asked for beside it."""
    noted = request.noted if isinstance(request, ClientTurn) else {}
    return {**spec.to_record(prompt_hash), **({"noted": noted} if noted else {})}


def _is_stored(runtime: Runtime, spec: TurnSpec, prompt_hash: str) -> bool:
    return not spec.is_session_specific and prompt_hash in runtime.stored_prompts
