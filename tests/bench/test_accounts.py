"""The accounts of `bench/failover.py`: it must find an event that was lost, and a message that was answered twice."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chatkeep.chat.events import Event, TextDelta
from tests.values import started

FILE = Path(__file__).parent.parent.parent / "bench" / "accounts.py"


@pytest.fixture(scope="module")
def accounts() -> Any:
    """The module, which stands in no package."""
    spec = importlib.util.spec_from_file_location("accounts", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def log(*texts: str) -> list[Event]:
    """A log that begins with these deltas."""
    events: list[Event] = [replace(started(), position=1)]
    for text in texts:
        events.append(TextDelta(position=events[-1].position + len(text), index=0, text=text))
    return events


def test_what_is_cut_or_merged_is_not_lost(accounts: Any) -> None:
    assert accounts.lost_units(log("a", "bc", "d"), log("ab", "cd", "ef")) == []
    assert accounts.lost_units([], log("ab")) == []


def test_a_character_that_is_gone_or_another_is_lost(accounts: Any) -> None:
    assert accounts.lost_units(log("abc"), log("ab")) == [(4, ("TextDelta", 0, "c"))]
    assert accounts.lost_units(log("abc"), log("aXc")) == [(3, ("TextDelta", 0, "b"))]
    assert accounts.lost_units(log("a"), []) == [(1, log()[0]), (2, ("TextDelta", 0, "a"))]


def message(message_id: str, parent_id: str | None, text: str = "") -> dict[str, Any]:
    role = "user" if text else "assistant"
    return {"id": message_id, "parent_id": parent_id, "role": role, "parts": [{"type": "text", "text": text}]}


def test_each_message_has_one_answer(accounts: Any) -> None:
    whole = [message("1", None, "a"), message("2", "1"), message("3", "2", "b"), message("4", "3")]
    assert accounts.check_answers(["a", "b"], whole) == ([], [], [], [])
    assert accounts.check_answers(["a", "c"], whole) == (["c"], [], [], [])


def test_a_doubled_message_or_answer_is_found(accounts: Any) -> None:
    again = [message("1", None, "a"), message("2", "1"), message("3", "1"), message("4", None, "b")]
    assert accounts.check_answers(["a", "b"], again) == ([], [], ["b"], ["a"])
    stored_twice = [*again, message("5", None, "b"), message("6", "4"), message("7", "5")]
    assert accounts.check_answers(["b"], stored_twice) == ([], ["b"], [], [])


def test_a_percentile_is_one_of_the_values(accounts: Any) -> None:
    values = [float(number) for number in range(1, 21)]
    assert [accounts.percentile(values, share) for share in (0.5, 0.95, 1)] == [10, 19, 20]
    assert accounts.percentile([7.0], 0.5) == 7
    assert accounts.percentile([], 0.5) == 0
