"""Where the arguments of a call end, when the text comes in pieces."""

import itertools
import json
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatkeep.llm.json_boundary import JsonBoundary

TEXTS = st.recursive(
    st.sampled_from(["null", "true", "17", "-1.5e3", '"a"', '"}"', r'"\""', r'"\\"']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda texts: f"[{', '.join(texts)}]")
        | st.lists(inner, max_size=3).map(
            lambda texts: "{" + ",".join(f'"k{n}": {t}' for n, t in enumerate(texts)) + "}"
        )
    ),
) | st.text(alphabet='{}[]":,\\ 1nul\n\u00a0', max_size=30)
"""JSON, and texts that look like it."""


def parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@given(
    text=st.lists(TEXTS, max_size=3).map(" ".join),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    is_asked_often=st.booleans(),
)
@example(text='"\\\\"', cuts=[2], is_asked_often=True)
@example(text="{}\u00a0", cuts=[2], is_asked_often=True)
@example(text="{} x}", cuts=[], is_asked_often=True)
def test_it_ends_where_the_parser_says(text: str, cuts: list[int], *, is_asked_often: bool) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    boundary, pieces = JsonBoundary(), list[str]()
    for begin, end in itertools.pairwise(places):
        pieces.append(text[begin:end])
        boundary.feed(pieces[-1])
        if is_asked_often:
            assert boundary.is_value(pieces) == parses("".join(pieces))
    assert boundary.is_value(pieces) == parses(text)


class Counted(list[str]):
    """Pieces that count how many of them were read."""

    read = 0

    def __iter__(self) -> Iterator[str]:
        self.read += len(self)
        return super().__iter__()


@pytest.mark.parametrize(
    "pieces",
    [
        ['{"a": "', *["x" * 20] * 8_000],
        ["{", *['"a": {}, '] * 8_000],
        ["{}", *["{}"] * 8_000],
        ["{}", *[" "] * 8_000],
        ["1"] * 8_000,
    ],
    ids=["a text", "objects", "values", "blanks", "a number"],
)
def test_all_pieces_are_read_a_few_times(pieces: list[str]) -> None:
    boundary, so_far = JsonBoundary(), Counted()
    for piece in pieces:
        boundary.feed(piece)
        so_far.append(piece)
        boundary.is_value(so_far)
    most = 4_096**2 if pieces[0] == "1" else len(pieces)
    assert so_far.read <= most
