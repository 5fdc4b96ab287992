"""The pages of the documentation, and what they declare: examples are tried as they stand there."""

import re
from pathlib import Path

from chatkeep import toolbox
from chatkeep.tools.declaration import Tool, declared_tools

ROOT = Path(__file__).parent.parent


def read_page(name: str) -> str:
    """The text of a page of `docs/`."""
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


HTTP_API = read_page("http-api")
EVENTS = read_page("events")
FUNCTIONS = read_page("functions")
SETTINGS = read_page("settings")
PROMPTS = read_page("prompts")
EXTEND = read_page("extend")
PRACTICE_MODEL = read_page("practice-model")
MODELS = read_page("models")
GLOSSARY = read_page("glossary")

assert toolbox is not None  # importing it declares the functions


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in that language, in their order."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def without_code(page: str) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)


def rows(page: str, term: str) -> list[str]:
    """The rows of the page's tables that begin with `term`, in backticks."""
    return [line for line in page.splitlines() if line.startswith(f"| `{term}` |")]


def paragraphs(page: str) -> list[str]:
    """The prose of a page: what is neither a heading, a list, a table nor a block of code."""
    found: list[str] = []
    for block in re.split(r"\n\s*\n", without_code(page)):
        lines: list[str] = []
        for line in block.strip().splitlines():
            if re.match(r"\s*([-*+]|\d+\.)\s|\|", line):
                break  # the rest of the block is a list or a table
            if not re.match(r"#+ ", line):
                lines.append(line)
        found.append(" ".join(lines))
    return [text for text in found if text]


def functions_of_extend() -> dict[str, Tool]:
    """The functions that come with chatkeep, and those that docs/extend.md declares."""
    code = "\n".join(blocks(EXTEND, "python"))
    exec(compile(code, "my_functions.py", "exec"), {"__name__": "my_functions"})
    shipped = re.findall(r"`(\w+)`", FUNCTIONS.partition("| name | kind |")[2].partition("## ")[0])
    return {name: each for name, each in declared_tools().items() if name in (*shipped, "opening_hours", "recipe")}
