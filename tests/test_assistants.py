"""Assistants are files; a wrong one is refused with its name."""

from pathlib import Path

import pytest

from chatkeep import toolbox
from chatkeep.assistants import load, parse
from chatkeep.errors import CannotStart
from chatkeep.tools import declared

assert toolbox is not None  # importing it declares the functions
TOOLS = declared()
COOK = (
    "---\nname: cook\ndescription: Cooks.\nmodel: big\ntemperature: 0.5\nfunctions: [tell_joke]\n---\nYou are a cook.\n"
)


def test_the_default_assistant_has_its_three_functions() -> None:
    default = load(None, TOOLS)["default"]
    assert default.functions == ["explain_joke", "detect_sarcasm", "tell_joke"]
    assert "corny" in default.prompt


def test_an_operators_assistant_is_found_and_wins_over_ours(tmp_path: Path) -> None:
    (tmp_path / "cook.md").write_text(COOK)
    (tmp_path / "default.md").write_text(COOK.replace("name: cook", "name: default"))
    (tmp_path / "notes.txt").write_text("not an assistant")
    found = load(tmp_path, TOOLS)
    assert set(found) >= {"cook", "default"}
    assert found["default"].prompt == "You are a cook."
    assert (found["cook"].model, found["cook"].temperature) == ("big", 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("You are a cook.", "front matter"),
        ("---\nname: cook\n", "front matter"),
        ("---\nname: [\n---\nx", "cook.md: while parsing"),
        ("---\n- a\n---\nx", "mapping"),
        (COOK.replace("model: big", "modle: big"), "modle"),
        (COOK.replace("[tell_joke]", "[tell_jokes]"), "unknown function tell_jokes"),
        (COOK.replace("0.5", "warm"), "temperature"),
        (COOK.replace("name: cook", "name: 'a cook'"), "name"),
        (COOK.replace("You are a cook.", ""), "prompt"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_in_one_line(text: str, message: str) -> None:
    with pytest.raises(CannotStart) as refused:
        parse("cook.md", text, TOOLS)
    assert str(refused.value).startswith("cook.md: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
