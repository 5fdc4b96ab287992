"""The rules of the house, as code: how long things may be, where things may stand, and in which words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "chatkeep"
FILES = sorted(PACKAGE.rglob("*.py"))
TEST_FILES = sorted((ROOT / "tests").rglob("*.py"))
PAGE_FILES = sorted(
    path
    for folder in ("web/src", "clients/typescript/src")
    for path in (ROOT / folder).rglob("*.ts*")
    if path.name != "schema.ts"
)

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_OWN_IMPORTS = 14
"""Modules of ours that one module imports: more, and it knows too much."""
MAX_TEST_NAME_CHARS = 60
TOP_LEVEL = {"__init__.py", "__main__.py", "caller.py", "clock.py", "errors.py", "ids.py", "text.py"}

BAD_BEGINNINGS = re.compile(r"(What|Let|Whether)\b")
"""How no docstring begins: it names the thing, or says what is done."""
BAD_WORDS = re.compile(
    r"\b(whoever|somebody|nobody|everybody|anybody|as far as it has (got|come)|is to be|are to be)\b", re.IGNORECASE
)
"""Name the role instead: caller, client, worker, reader, owner."""
IMPURE = (
    "chatkeep.agent",
    "chatkeep.llm",
    "chatkeep.mcp",
    "chatkeep.settings",
    "chatkeep.tools",
    "chatkeep.runs.runtime",
)
"""Where a transaction's function calls nothing: prompts, models, schemas, settings and process state."""


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def docstrings(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring, also of those below constants."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        for statement in getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                value = statement.value.value
                if isinstance(value, str):
                    yield statement.lineno, value


def comments(file: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if "#" in line:
            yield number, line.partition("#")[2]


def own_imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "chatkeep":
            names = [alias.name for alias in node.names]
            found |= {f"chatkeep.{name}" for name in names} if node.module == "chatkeep" else {str(node.module)}
    return found


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_file_is_one_idea_long(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_function_fits_on_a_page(file: Path) -> None:
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions(ast.parse(file.read_text("utf-8")))
    }
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_module_knows_few_others(file: Path) -> None:
    assert len(own_imports(ast.parse(file.read_text("utf-8")))) <= MAX_OWN_IMPORTS


def test_the_top_of_the_package_is_folders_and_leaves() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == TOP_LEVEL


def test_sql_stands_in_the_store_and_nowhere_else() -> None:
    verbs = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH RECURSIVE ")
    found = [
        f"{name_of(file)}:{node.lineno}"
        for file in FILES
        if file.parent.name not in ("store", "db")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lstrip().startswith(verbs)
    ]
    assert found == []


def transactions(tree: ast.AST) -> Iterator[ast.AsyncFunctionDef | ast.Lambda]:
    """The functions that run inside of a transaction: those with a parameter `tx`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Lambda) and any(arg.arg == "tx" for arg in node.args.args):
            yield node


def takes_tx(call: ast.expr) -> bool:
    """Whether an awaited expression is a statement, or a function that is given the transaction."""
    if not isinstance(call, ast.Call):
        return False
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    on_tx = (
        isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "tx"
    )
    return on_tx or any(isinstance(argument, ast.Name) and argument.id == "tx" for argument in arguments)


def impure_names(tree: ast.Module) -> set[str]:
    """The names that a module imports from where no transaction may call; errors may be raised, types be named."""
    return {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(IMPURE)
        for alias in node.names
        if not alias.name.endswith("Error")
    } | {"runtime", "asyncio"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_transaction_holds_sql_and_pure_functions_only(file: Path) -> None:
    """What else a transaction needs is prepared before it: it holds up every other writer (docs/decisions/0013)."""
    tree = ast.parse(file.read_text("utf-8"))
    impure = impure_names(tree)
    faults: list[str] = []
    for function in transactions(tree) if file.parent.name != "db" else ():
        body = function.body if isinstance(function.body, list) else [function.body]
        for node in (node for statement in body for node in ast.walk(statement)):
            if isinstance(node, ast.Await) and not takes_tx(node.value):
                faults.append(f"line {node.lineno} awaits something that is no statement")
            if isinstance(node, ast.Name) and node.id in impure:
                faults.append(f"line {node.lineno} uses {node.id}")
    assert faults == []


def test_the_rule_about_transactions_finds_what_it_forbids() -> None:
    bad = ast.parse(
        "from chatkeep.tools.json_schema import schema_check\n"
        "async def write(tx):\n"
        "    schema_check({})\n    await sleep(1)\n    await tx.run('SELECT 1')\n    await add(tx, 1)\n"
    )
    (function,) = transactions(bad)
    awaited = [node for node in ast.walk(function) if isinstance(node, ast.Await)]
    assert [takes_tx(node.value) for node in awaited] == [False, True, True]
    assert impure_names(bad) == {"schema_check", "runtime", "asyncio"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_docstrings_and_comments_are_in_plain_words(file: Path) -> None:
    texts = [*docstrings(file), *comments(file)]
    unclear = [f"{line}: {text.strip()[:60]}" for line, text in docstrings(file) if BAD_BEGINNINGS.match(text.strip())]
    riddles = [f"{line}: {found[0]}" for line, text in texts if (found := BAD_WORDS.search(text))]
    assert (unclear, riddles) == ([], [])


@pytest.mark.parametrize("file", PAGE_FILES, ids=name_of)
def test_comments_of_the_page_are_in_plain_words(file: Path) -> None:
    lines = file.read_text("utf-8").splitlines()
    texts = [line for line in lines if re.search(r"(^|\s)(//|/?\*)", line)]
    assert [text for text in texts if BAD_WORDS.search(text)] == []
    assert [text for text in texts if re.search(r"/\*\* (What|Let|Whether)\b", text)] == []


def test_names_of_tests_are_short() -> None:
    names = [node.name for file in TEST_FILES for node in functions(ast.parse(file.read_text("utf-8")))]
    assert [name for name in names if name.startswith("test_") and len(name) > MAX_TEST_NAME_CHARS] == []


def test_no_test_patches_the_package() -> None:
    """Environment, working directory and interpreter may be patched; where ours would be, a seam is missing."""
    pattern = re.compile(r"\.setattr\((?!sys\b)|\bmock\b")
    found = [
        f"{name_of(file)}:{number}"
        for file in TEST_FILES
        if file != Path(__file__)
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_every_exemption_from_a_check_says_why() -> None:
    marks = ("# noqa", "# type: ignore", "# pyright: ignore")
    unexplained = [
        f"{name_of(file)}:{number}"
        for file in [*FILES, *TEST_FILES]
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        for mark in marks
        if mark in line and file != Path(__file__) and line.partition(mark)[2].count("#") == 0
    ]
    assert unexplained == []
