"""Ids: those of messages and runs carry the key of their session."""

import uuid
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from chatkeep import ids

UUIDS = st.uuids().map(str)


@given(UUIDS)
def test_an_id_of_a_session_ends_with_its_key(session_id: str) -> None:
    made = ids.new_in(session_id)
    assert ids.key_in(made) == ids.session_key(session_id)
    assert ids.parse(made) == made
    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (7, uuid.RFC_4122)


def test_ids_of_a_session_rise_and_are_not_repeated() -> None:
    session_id = ids.new()
    made = [ids.new_in(session_id) for _ in range(10_000)]
    assert made == sorted(set(made))


def test_the_time_of_an_id_is_that_of_its_making() -> None:
    before, made, after = ids.new(), ids.new_in(ids.new()), ids.new()
    assert before[:13] <= made[:13] <= after[:13]


def test_a_session_key_is_the_same_for_good() -> None:
    """It is in every row: another function would lose all sessions."""
    assert ids.session_key("0190a5f0-0000-7000-8000-000000000001") == 1804359055021788847
    assert ids.session_key("0190a5f0-0000-4000-8000-000000000001") == 3769112821402277148


@given(UUIDS)
def test_a_session_key_has_62_bits(session_id: str) -> None:
    assert 0 <= ids.session_key(session_id) < 2**62
    assert 0 <= ids.session_key(f"{session_id[:14]}7{session_id[15:]}") < 2**62


def test_keys_of_later_sessions_are_greater() -> None:
    made = [ids.first_at(datetime.fromtimestamp(second, UTC)) for second in range(0, 4_000_000_000, 99_999_999)]
    keys = [ids.session_key(session_id) for session_id in made]
    assert keys == sorted(set(keys))
