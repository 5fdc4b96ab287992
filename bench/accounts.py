"""The accounts of `failover.py`: which events were lost, which messages have not exactly one answer. Pure functions."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tests.faults.client_records import Unit, split_units

from chatkeep.chat.events import Event


class Answers(NamedTuple):
    """The messages that a client has sent, each by its text: not stored, stored twice, without an answer, with two."""

    lost: list[str]
    stored_twice: list[str]
    unanswered: list[str]
    answered_twice: list[str]


def lost_units(seen: Iterable[Event], log: Sequence[Event]) -> list[Unit]:
    """Return the characters and events that a client was sent and that are not in the log at the same position."""
    stored = dict(split_units(list(log)))
    return [(position, what) for position, what in split_units(list(seen)) if stored.get(position) != what]


def check_answers(texts: Iterable[str], messages: Sequence[dict[str, Any]]) -> Answers:
    """Compare the acknowledged messages of a session, whose texts differ, with its stored messages in all branches."""
    ids: dict[str, list[str]] = {}
    for message in messages:
        if message["role"] == "user":
            ids.setdefault(message["parts"][0]["text"], []).append(message["id"])
    count = Counter(message["parent_id"] for message in messages if message["role"] == "assistant")
    texts = list(texts)
    answers = {text: [count[each] for each in ids.get(text, [])] for text in texts}
    return Answers(
        [text for text in texts if not answers[text]],
        [text for text in texts if len(answers[text]) > 1],
        [text for text in texts if 0 in answers[text]],
        [text for text in texts if any(number > 1 for number in answers[text])],
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else 0.0
