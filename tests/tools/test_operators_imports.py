"""The names that operators' modules import stay where they were, whatever is renamed inside."""

from pathlib import Path

from tests.cli.test_main import command

MODULE = '''
from chatkeep.caller import DatabaseCaller
from chatkeep.tools import Caller, ToolContext, ToolError, tool

assert Caller is ToolContext
assert issubclass(DatabaseCaller, Caller)


@tool(safety="read_only")
async def greet(name: str, caller: Caller) -> str:
    """Greet a person by name."""
    if not name:
        raise ToolError("name: not empty")
    return f"Hello, {name}, says {caller.owner}."


@tool
def count_facts(caller: DatabaseCaller) -> str:
    """Count facts."""
    return caller.db.name
'''
ASSISTANT = """---
name: greeter
description: Greets.
functions: [greet, count_facts]
---
You greet.
"""


def test_an_operators_module_of_before_still_works(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "assistants").mkdir()
    (tmp_path / "assistants" / "greeter.md").write_text(ASSISTANT)
    done = command(
        "ask",
        "--assistant",
        "greeter",
        'greet {"name": "Ola"}',
        cwd=tmp_path,
        CHATKEEP_TOOLS="mine",
        CHATKEEP_ASSISTANTS_DIR="assistants",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Hello, Ola, says local." in done.stdout
