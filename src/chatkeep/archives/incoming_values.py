"""Checks and changes values of an archive before they are stored. Pure.

An archive is what its bringer makes of it: nothing in it is believed that the service would not take from a client.
"""

import re
from collections.abc import Mapping

from msgspec import UNSET
from msgspec.structs import replace
from pydantic import ValidationError

from chatkeep import clock, ids
from chatkeep.archives.lines import SessionLine
from chatkeep.chat.types import FilePart, Message, Part, Run, Session, TextPart, ToolCallPart, has_ended
from chatkeep.settings.models_file import ModelParams

MAX_NUMBER = 2**31 - 2
"""The highest number of a message, a run or a position: all fit into a column of four bytes."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_CALL_ENDS = ("succeeded", "failed", "unknown", "cancelled")


def is_time(text: str | None) -> bool:
    """Return True for a time in the form of `chatkeep.clock`, and for none."""
    if text is None:
        return True
    try:
        return bool(_TIME.fullmatch(text)) and bool(clock.parse(text))
    except ValueError:
        return False


def is_session(line: SessionLine) -> bool:
    """Return True if the session may be stored."""
    try:
        ModelParams.model_validate(line.params)
    except ValidationError:
        return False
    return is_time(line.created_at) and is_time(line.updated_at)


def is_message(message: Message) -> bool:
    """Return True if the message may be stored: a user says texts and files, and nothing else."""
    if not is_time(message.created_at) or not isinstance(message.claimed, bool | type(UNSET)):
        return False
    if isinstance(message.client_id, str) and not 1 <= len(message.client_id) <= 128:
        return False
    return message.role == "assistant" or all(isinstance(part, TextPart | FilePart) for part in message.parts)


def is_run(run: Run) -> bool:
    """Return True if the run may be stored."""
    usage = run.usage
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.reasoning_tokens)
    numbers = (run.attempt, run.position, *counts, min(usage.cost or 0, MAX_NUMBER))
    times = (run.created_at, run.started_at, run.first_token_at, run.finished_at)
    is_exact = usage.cost is None or 0 <= usage.cost <= 2**53
    return is_exact and all(0 <= each <= MAX_NUMBER for each in numbers) and all(map(is_time, times))


def to_session(line: SessionLine, session_id: str) -> Session:
    """Return the session of a line, with its id here. Its head is set when its messages are there."""
    values = {name: getattr(line, name) for name in SessionLine.__struct_fields__}
    values |= {"id": session_id, "head_id": None}
    return Session(**values, status="idle", message_count=0, temporary=False)


def to_parts(parts: tuple[Part, ...], file_ids: Mapping[str, str]) -> tuple[Part, ...]:
    """Return parts with the files' ids here, and no call that goes on."""
    return tuple(_to_part(part, file_ids) for part in parts)


def _to_part(part: Part, file_ids: Mapping[str, str]) -> Part:
    if isinstance(part, FilePart):
        return _to_file(part, file_ids)
    if not isinstance(part, ToolCallPart):
        return part
    if part.files:
        part = replace(part, files=tuple(_to_file(file, file_ids) for file in part.files))
    return part if part.state in _CALL_ENDS else replace(part, state="unknown")


def _to_file(file: FilePart, file_ids: Mapping[str, str]) -> FilePart:
    file_id = file_ids.get(file.file_id) or ids.parse(file.file_id) or ids.derive("", file.file_id)
    return file if file_id == file.file_id else replace(file, file_id=file_id)


def to_ended(run: Run) -> Run:
    """Return a run as one that has ended: one that went on when it was exported was interrupted by that."""
    status = run.status if has_ended(run.status) else "interrupted"
    return replace(run, status=status, finished_at=run.finished_at or run.created_at)


def next_number(wanted: int, last: int) -> int:
    """Return the number after `last`: the `wanted` one if it is higher, and not too high."""
    return wanted if last < wanted <= MAX_NUMBER else last + 1


def claim(message: Message) -> Message:
    """Return a message; an answer of which no run is known is one that was claimed."""
    if message.role == "assistant" and message.run_id is None:
        return replace(message, claimed=True)
    return message
