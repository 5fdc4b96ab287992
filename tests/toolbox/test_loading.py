"""Modules of CHATKEEP_TOOLS: imported from the working directory, or refused with file and line."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from chatkeep.errors import CannotStart
from chatkeep.toolbox.loading import load

HEAD = "from chatkeep.tools import tool\nfrom pydantic import BaseModel\n\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - known:
        del sys.modules[name]


@pytest.fixture
def refused(here: Path) -> Callable[..., str]:
    """Return a function that loads a module with that text, and returns the reason for its refusal."""

    def why(text: str, module: str = "faulty") -> str:
        (here / "faulty.py").write_text(dedent(text))
        with pytest.raises(CannotStart) as error:
            load([module])
        expected = str(error.value)
        assert "\n" not in expected
        return expected.removeprefix("CHATKEEP_TOOLS: ")

    return why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import os\n\n1 / 0\n", "faulty cannot be imported: ZeroDivisionError: division by zero (faulty.py, line 3)"),
        ("x = (\n", "faulty cannot be imported: SyntaxError: '(' was never closed (faulty.py, line 1)"),
        ("import no_such", "ModuleNotFoundError: No module named 'no_such' (faulty.py, line 1)"),
        ("def f():\n    raise SystemExit(2)\n\nf()", "faulty cannot be imported: SystemExit: 2 (faulty.py, line 2)"),
        ("import json\njson.loads('{')", "faulty cannot be imported: JSONDecodeError: "),
        (HEAD + "@tool()\ndef silent(a: int) -> None: ...", "TypeError: silent: a function needs a docstring"),
        (HEAD + "@tool()\ndef untyped(a):\n    'Do.'", "parameter 'a' must be a plain one with a type"),
        (HEAD + "@tool()\ndef unknown(a: 'Nothing'):\n    'Do.'", "NameError: name 'Nothing' is not defined"),
        (HEAD + "@tool()\ndef strange(a: object()):\n    'Do.'", "cannot be imported: "),
        (HEAD + "@tool\nclass Plain(BaseModel):\n    'Show.'", "of a class, say its kind: @tool(kind='reply')"),
        (HEAD + "@tool(safety='readonly')\ndef f(): 'Do.'", "'readonly': one of 'read_only', 'idempotent', 'unsafe'"),
        (HEAD + "@tool(kind='replay')\ndef f(): 'Do.'", "kind='replay': one of 'reply', 'action', 'client'"),
        (HEAD + "@tool(timeout=0)\ndef f(): 'Do.'", "timeout=0: seconds, more than 0; or None, for "),
        (HEAD + "@tool(timeout=-1.5)\ndef f(): 'Do.'", "timeout=-1.5: seconds, more than 0"),
    ],
)  # fmt: skip
def test_a_module_that_is_wrong_is_refused_with_file_and_line(
    refused: Callable[..., str], text: str, expected: str
) -> None:
    message = refused(text)
    assert expected in message
    assert re.search(rf"\(faulty\.py, line {4 if text.startswith(HEAD) else r'[123]'}\)$", message), message


def test_an_error_in_an_imported_file_names_that_file(refused: Callable[..., str], here: Path) -> None:
    (here / "helper.py").write_text("\n\n\nraise ValueError('no helper')\n")
    assert refused("import helper") == "faulty cannot be imported: ValueError: no helper (helper.py, line 4)"


def test_an_error_in_a_package_names_its_folder(here: Path) -> None:
    (here / "inside").mkdir()
    (here / "inside" / "faulty.py").write_text("\n1 / 0\n")
    place = f"inside{os.sep}faulty.py"
    with pytest.raises(CannotStart, match=rf"inside\.faulty cannot be imported: .* \({place}, line 2\)"):
        load(["inside.faulty"])


@pytest.mark.parametrize("other", ["opening", "closing"])
def test_two_functions_with_one_name_in_a_module_are_refused(refused: Callable[..., str], other: str) -> None:
    one = f"@tool()\ndef {other}() -> None:\n    'Do.'\n\n"
    assert f"faulty.{other}: there is a function '{other}' already: faulty.{other} (faulty.py, line 4)" in refused(
        HEAD + one + one
    )


def test_a_missing_module_names_the_places_searched(refused: Callable[..., str], here: Path) -> None:
    assert refused("", "nowhere") == (
        f"nowhere cannot be imported: there is no such module in {here}, nor where Python looks"
    )
    assert refused("", "no.where").startswith("no.where cannot be imported: there is no such module in ")
    assert refused("", "faulty.py").endswith("; write faulty, without .py")
    assert refused("", "./faulty.py").startswith("./faulty.py is no module's name; name it as `import` does")


def test_a_decorator_without_brackets_declares_an_action(here: Path) -> None:
    (here / "fine.py").write_text(HEAD + "@tool\ndef plain_action(a: int) -> int:\n    'Do.'\n    return a\n")
    made = load(["fine"])["plain_action"]
    assert (made.kind, made.safety, made.timeout) == ("action", "unsafe", None)
