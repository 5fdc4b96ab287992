"""Assistants are files: read, refused with file and line, rendered, and read again when they are changed."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatkeep import toolbox
from chatkeep.agent.assistants import VARIABLES, AssistantLibrary, parse_assistant
from chatkeep.errors import CannotStart
from chatkeep.tools.declaration import declared_tools

assert toolbox is not None  # importing it declares the functions
TOOLS = declared_tools()
COOK = (
    "---\nname: cook\ndescription: Cooks.\nmodel: big\ntemperature: 0.5\nfunctions: [tell_joke]\n---\nYou are a cook.\n"
)
EVENING = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)


def change(file: Path, text: str) -> None:
    """Write a file with a new modification time, however coarse the clock of the file system is."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 10**9, before + 10**9))


def test_the_default_assistant_has_its_functions() -> None:
    default = AssistantLibrary(None, TOOLS)["default"]
    assert default.functions[:3] == ["explain_joke", "detect_sarcasm", "tell_joke"]
    assert "corny" in default.prompt


@pytest.mark.parametrize(
    ("name", "functions"),
    [
        ("counsel", ["legal_answer", "court_deadline", "suggest_replies"]),
        ("scribe", ["write_document", "suggest_replies"]),
    ],
)
def test_the_other_builtin_assistants_have_their_functions(name: str, functions: list[str]) -> None:
    assistant = AssistantLibrary(None, TOOLS)[name]
    assert set(assistant.functions) >= set(functions)
    assert 2 <= len(assistant.starters) <= 4
    assert assistant.temperature is None  # some models refuse any but their own
    prompt = assistant.render(EVENING, "UTC", None)
    assert ("25 November 2026" in prompt) is (name == "counsel")
    for function in functions:
        assert f"`{function}`" in prompt


def test_an_operators_assistant_is_found_and_wins_over_ours(tmp_path: Path) -> None:
    (tmp_path / "cook.md").write_text(COOK)
    (tmp_path / "default.md").write_text(COOK.replace("name: cook", "name: default"))
    (tmp_path / "notes.txt").write_text("not an assistant")
    found = AssistantLibrary(tmp_path, TOOLS)
    assert {each.name for each in found.all()} >= {"cook", "default"}
    assert found["default"].prompt == "You are a cook."
    assert (found["cook"].model, found["cook"].temperature) == ("big", 0.5)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("You are a cook.", 1, "front matter"),
        ("---\nname: cook\n", 1, "front matter"),
        ("---\nname: [\n---\nx", 2, "expected the node content"),
        ("---\n- a\n---\nx", 2, "mapping"),
        (
            COOK.replace("model: big", "modle: big"),
            4,
            ": unknown key 'modle'; known: name, description, model, temperature, ",
        ),
        (COOK.replace("name: cook", "nme: cook"), 2, ": unknown key 'nme'; known: name"),
        (COOK.replace("functions:", "function:"), 6, "functions, starters"),
        (COOK.replace("[tell_joke]", "[tell_jokes]"), 6, "unknown function tell_jokes; known: "),
        (COOK.replace("[tell_joke]", "[ask_user]"), 6, "clients offer it"),
        (COOK.replace("0.5", "warm"), 5, "temperature"),
        (COOK.replace("name: cook", "name: 'a cook'"), 2, "name"),
        (COOK.replace("You are a cook.", ""), 2, "prompt"),
        (COOK.replace("Cooks.", "2026-02-30"), 2, "day is out of range"),
        (COOK.replace("Cooks.", "Has the temperature: of tell_jokes.").replace("0.5", "warm"), 3, "mapping values"),
        (COOK.replace("Cooks.", "'temperature: tell_jokes'").replace("0.5", "warm"), 5, "temperature"),
        (
            COOK.replace("Cooks.", "No tell_jokes").replace("[tell_joke]", "[tell_jokes]"),
            6,
            "unknown function tell_jokes",
        ),
        (COOK.replace("model: big", "prompt: Cook."), 4, "the prompt is what comes after the front matter"),
        (COOK + "It is {{ weekday }}.", 9, "unknown 'weekday'; known: date, time_zone, session_title"),
        (COOK + "\n\nIt is {{ date.", 11, "expected"),
        (COOK + "{% if date %}", 9, "Unexpected end of template"),
        (COOK + "{{ session_title.title() }}", 8, "cannot be rendered"),
        (COOK + "{{ date.__class__ }}", 8, "cannot be rendered"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_line(text: str, line: int, message: str) -> None:
    with pytest.raises(CannotStart) as refused:
        parse_assistant("cook.md", text, TOOLS)
    assert str(refused.value).startswith(f"cook.md:{line}: "), str(refused.value)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_prompt_knows_the_local_date_and_the_session() -> None:
    variables = " | ".join(f"{{{{ {name} }}}}" for name in VARIABLES)
    assistant = parse_assistant("cook.md", f"---\nname: cook\ndescription: Cooks.\n---\n{variables}", TOOLS)
    assert assistant.render(EVENING, "UTC", "Soup") == "Wednesday, 25 November 2026 | UTC | Soup"
    assert assistant.render(EVENING, "Asia/Tokyo", None) == "Thursday, 26 November 2026 | Asia/Tokyo | None"


def test_two_files_with_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cook.md").write_text(COOK)
    (tmp_path / "default.md").write_text(COOK.replace("name: cook", "name: default"))
    (tmp_path / "second.md").write_text(COOK.replace("name: cook\ndescription: Cooks.", "description: .\nname: cook"))
    with pytest.raises(CannotStart, match=r"^second.md:3: the name 'cook' is that of cook.md already$"):
        AssistantLibrary(tmp_path, TOOLS)


def test_backup_files_of_editors_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "cook.md").write_text(COOK.replace("\n---\n", "\n--- \n"), "utf-8-sig")
    (tmp_path / ".#cook.md").symlink_to("nobody@nowhere:1")
    (tmp_path / "folder.md").mkdir()
    assert AssistantLibrary(tmp_path, TOOLS)["cook"].prompt == "You are a cook."


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cook.md").write_bytes(COOK.replace("Cooks.", "Köche.").encode("latin-1"))
    with pytest.raises(CannotStart, match=r"^cook\.md: not UTF-8$"):
        AssistantLibrary(tmp_path, TOOLS)


def test_a_session_title_is_not_rendered_as_a_template() -> None:
    assistant = parse_assistant("cook.md", COOK + "{{ session_title }}", TOOLS)
    assert assistant.render(EVENING, "UTC", "{{ date }}").endswith("{{ date }}")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    change(tmp_path / "cook.md", COOK)
    library = AssistantLibrary(tmp_path, TOOLS)
    change(tmp_path / "cook.md", COOK.replace("a cook", "a baker"))
    change(tmp_path / "smith.md", COOK.replace("cook", "smith"))
    library.refresh()
    assert (library["cook"].prompt, library["smith"].prompt) == ("You are a baker.", "You are a smith.")
    (tmp_path / "smith.md").unlink()
    library.refresh()
    assert "smith" not in library


def test_a_file_broken_later_changes_nothing_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(tmp_path / "cook.md", COOK)
    library = AssistantLibrary(tmp_path, TOOLS)
    change(tmp_path / "cook.md", COOK.replace("0.5", "warm"))
    library.refresh()
    library.refresh()
    assert library["cook"].temperature == 0.5
    assert library.problem is not None
    assert library.problem.startswith("cook.md:5: temperature")
    assert [record.getMessage() for record in caplog.records] == [f"assistants stay as they were: {library.problem}"]
    change(tmp_path / "cook.md", COOK.replace("0.5", "0.7"))
    library.refresh()
    assert (library["cook"].temperature, library.problem) == (0.7, None)


def test_a_function_of_an_mcp_server_need_not_be_there_yet() -> None:
    text = COOK.replace("[tell_joke]", "[wiki_look, wiki_*]")
    assert parse_assistant("cook.md", text, TOOLS, ["wiki"]).functions == ["wiki_look", "wiki_*"]
    with pytest.raises(CannotStart, match=r"unknown function wiki_look; known: .*, wik_\*, wiki_look_\*$"):
        parse_assistant("cook.md", text, TOOLS, ["wik", "wiki_look"])
