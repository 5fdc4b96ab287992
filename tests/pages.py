"""The pages of the documentation, and what they declare: examples are tried as they stand there."""

import re
from pathlib import Path

from chatkeep import toolbox
from chatkeep.tools.declaration import Tool, declared

ROOT = Path(__file__).parent.parent
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text("utf-8")
PROMPTS = (ROOT / "docs" / "prompts.md").read_text("utf-8")
EXTEND = (ROOT / "docs" / "extend.md").read_text("utf-8")

assert toolbox is not None  # importing it declares the functions


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in that language, in their order."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def functions_of_extend() -> dict[str, Tool]:
    """The functions that come with chatkeep, and those that docs/extend.md declares."""
    code = "\n".join(blocks(EXTEND, "python"))
    exec(compile(code, "my_functions.py", "exec"), {"__name__": "my_functions"})
    shipped = re.findall(r"`(\w+)`", EXTEND.partition("| name | kind |")[2].partition("## ")[0])
    return {name: each for name, each in declared().items() if name in (*shipped, "opening_hours", "recipe")}
