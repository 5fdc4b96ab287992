"""Reasoning that comes within the text, between two tags at its start."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.types import ReasoningPart, TextPart
from chatkeep.llm.assembler import Assembler
from chatkeep.llm.think_tags import MAX_HELD_CHARS, ThinkTags
from tests.script import call, say
from tests.turns import folded

CASES = [
    ("<think>\nThe user says hello.\n</think>\n\nHi there.", "The user says hello.", "Hi there."),
    ("\n<think>Hm.</think>Hi.", "Hm.", "Hi."),
    ("<think>Hm.</think>", "Hm.", ""),
    ("<think></think>Hi.", "", "Hi."),
    ("<think>\n\n</think>\n\nHi.", "", "Hi."),
    ("<think>Hm. </thin> </think", "Hm. </thin> </think", ""),
    ("<think>", "", ""),
    ("<think>Hm.", "Hm.", ""),
    ("<thin", "", "<thin"),
    ("<thinking>Hm.</thinking>", "", "<thinking>Hm.</thinking>"),
    ("Use <think> and </think>.", "", "Use <think> and </think>."),
    ("<think>a <think> b</think>c <think>d</think>", "a <think> b", "c <think>d</think>"),
    ("</think>Hi.", "", "</think>Hi."),
    ("  Hi.", "", "  Hi."),
    ("<", "", "<"),
    ("", "", ""),
]


@pytest.mark.parametrize(("text", "reasoning", "answer"), CASES)
def test_reasoning_at_the_start_is_told_from_the_answer(text: str, reasoning: str, answer: str) -> None:
    for cut in range(len(text) + 1):
        for pieces in ([text[:cut], text[cut:]], list(text)):
            assembler = Assembler(0, lambda _: None, set())
            events = [*assembler.read(map(say, pieces)), *assembler.finish()]
            expected = [part for part in (ReasoningPart(reasoning), TextPart(answer)) if part.text]
            assert list(folded(events)) == expected, f"cut at {cut}"


@given(st.lists(st.sampled_from([*"<>/think", "<think>", "</think>", " ", "\n", "words"]), max_size=20))
def test_little_is_held_back_and_nothing_is_lost(pieces: list[str]) -> None:
    tags, given_chars, returned = ThinkTags(), 0, ""
    for piece in pieces:
        given_chars += len(piece)
        returned += "".join(text for _, text in tags.feed(piece))
        held = given_chars - len(returned) - sum(map(len, ("<think>", "</think>")))
        blanks = sum(each.isspace() for each in "".join(pieces))
        assert held <= MAX_HELD_CHARS + blanks
    returned += "".join(text for _, text in tags.finish())
    whole = "".join(pieces)
    tagless = whole.replace("<think>", "").replace("</think>", "")
    assert len("".join(returned.split())) >= len("".join(tagless.split()))
    assert tags.finish() == []


def test_a_call_comes_after_the_text_before_it() -> None:
    assembler = Assembler(0, lambda _: None, set())
    parts = folded([*assembler.read([say("<thi"), call("weather", "{}"), say("nk>")]), *assembler.finish()])
    assert [getattr(part, "text", None) for part in parts] == ["<thi", None, "nk>"]
