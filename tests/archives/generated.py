"""Archives that hypothesis generates, in the form in which the service writes them."""

import uuid
from collections.abc import Sequence

from hypothesis import strategies as st
from msgspec.structs import replace

from chatkeep import ids
from chatkeep.archives.lines import (
    VERSION,
    EndLine,
    HeadLine,
    SessionEndLine,
    message_to_json,
    run_to_json,
    session_line,
    to_json,
)
from chatkeep.chat.event_log import fold
from chatkeep.chat.types import Message, Part, Problem, Run, Session, TextPart, ToolCallPart, Usage
from chatkeep.text import clean, clean_json
from tests.values import TIME, logs, run

_TEXT = st.text(max_size=12).map(clean)
_PAIRS = st.dictionaries(_TEXT, _TEXT, max_size=3)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """Generate a session without messages."""
    return Session(
        id=ids.new(),  # a new one each time: all go into one database
        title=draw(st.none() | _TEXT),
        assistant="default",
        model=draw(st.none() | st.just("some-model")),
        metadata=draw(_PAIRS),
        status="idle",
        head_id=None,
        message_count=0,
        created_at=TIME,
        updated_at=draw(st.sampled_from([TIME, "2020-01-01T00:00:00.000000Z"])),
        params=draw(st.sampled_from([{}, {"temperature": 0.5}, {"stop": ["a", "ü"]}])),
        instructions=draw(st.none() | st.just("be kind")),
        temporary=False,
    )


@st.composite
def archives(draw: st.DrawFn) -> tuple[str, bytes]:
    """Generate a session's id and its archive: any tree of messages, with runs of any end, ids of any age."""
    session = draw(sessions())
    messages: list[Message] = []
    runs: list[Run] = []
    seq = 0
    for number in range(1, draw(st.integers(0, 5)) + 1):
        before = draw(st.sampled_from([None, *messages])) if messages else None
        seq += draw(st.integers(1, 3))
        user = _message(draw, session.id, seq, before)
        kind = draw(st.sampled_from(["run", "claimed", "none"]))
        messages.append(user)
        if kind == "none":
            continue
        seq += 1
        parts = _stored(fold(draw(logs())).parts)
        answer = replace(_message(draw, session.id, seq, user), role="assistant", parts=parts)
        if kind == "claimed":
            messages.append(replace(answer, claimed=True))
            continue
        made = _run(draw, session.id, number, user.id, answer.id)
        runs.append(made)
        messages.append(replace(answer, run_id=made.id, status=made.status))
    head = draw(st.sampled_from(messages)).id if messages else None
    lines = [to_json(HeadLine(VERSION)), to_json(session_line(replace(session, head_id=head)))]
    lines += [*map(message_to_json, messages), *map(run_to_json, runs)]
    lines += [to_json(SessionEndLine(session.id, len(messages), len(runs))), to_json(EndLine(1, 0, 0))]
    return session.id, b"".join(lines)


def _id(draw: st.DrawFn, session_id: str) -> str:
    """Generate an id: one that ends with the session's key, or one from before there were keys."""
    return ids.new_in(session_id) if draw(st.booleans()) else str(uuid.uuid4())


def _message(draw: st.DrawFn, session_id: str, seq: int, parent: Message | None) -> Message:
    message = Message(
        id=_id(draw, session_id),
        session_id=session_id,
        parent_id=parent.id if parent else None,
        seq=seq,
        role="user",
        parts=(TextPart(draw(_TEXT)),),
        run_id=None,
        status="completed",
        created_at=TIME,
    )
    return replace(message, client_id="client's") if draw(st.booleans()) else message


def _run(draw: st.DrawFn, session_id: str, number: int, user_id: str, answer_id: str) -> Run:
    failed = draw(st.booleans())
    return run(
        id=_id(draw, session_id),
        session_id=session_id,
        number=number,
        user_message_id=user_id,
        message_id=answer_id,
        status="failed" if failed else draw(st.sampled_from(["completed", "incomplete", "cancelled", "interrupted"])),
        error=Problem("internal", "it failed", True) if failed else None,
        finish_reason=draw(st.none() | st.just("stop")),
        usage=Usage(3, 4, 1, 2, draw(st.none() | st.integers(0, 2**53)), draw(st.booleans())),
        attempt=draw(st.integers(1, 5)),
        position=draw(st.integers(0, 10**6)),
        finished_at=TIME,
    )


def _stored(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return parts as they are stored: no call goes on, and no character is in them that a database refuses."""
    return tuple(
        replace(
            part,
            **{name: clean_json(getattr(part, name)) for name in ("text", "arguments_text") if hasattr(part, name)},
        )
        if not isinstance(part, ToolCallPart)
        else replace(
            part,
            arguments_text=clean(part.arguments_text),
            state="cancelled" if part.state in ("streaming", "ready", "running", "waiting") else part.state,
        )
        for part in parts
    )
