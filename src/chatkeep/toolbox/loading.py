"""The operator's functions: the modules of CHATKEEP_TOOLS, imported. One that is wrong is refused by file and line."""

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from traceback import walk_tb

from chatkeep.errors import CannotStart
from chatkeep.tools.declaration import Tool, declared_tools


def load(modules: Iterable[str]) -> dict[str, Tool]:
    """The functions that come with chatkeep, and those of `modules`, which may lie in the working directory.

    Raises:
        CannotStart: a module is not there, or cannot be imported; the message names it, and file and line of the fault.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            raise CannotStart(f"CHATKEEP_TOOLS: {_told(module, error)}") from error
    return declared_tools()


def _told(module: str, error: BaseException) -> str:
    if not all(part.isidentifier() for part in module.split(".")):
        return f"{module} is no module's name; name it as `import` does, e.g. my_functions for my_functions.py"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and f"{module}.".startswith(f"{missing}."):
        hint = f"; write {module[:-3]}, without .py" if module.endswith(".py") else ""
        return f"{module} cannot be imported: there is no such module in {Path.cwd()}, nor where Python looks{hint}"
    what = " ".join(str(error).partition("\n\n")[0].split())  # Pydantic goes on for a page
    return f"{module} cannot be imported: {type(error).__name__}: {what}{_place(module, error)}"


def _place(module: str, error: BaseException) -> str:
    """Where in the operator's code it happened: the innermost line of their package, or of a file beside them."""
    if isinstance(error, SyntaxError):
        return ""  # its text has file and line
    package = module.partition(".")[0]
    lines = [
        (file, line)
        for frame, line in walk_tb(error.__traceback__)
        if (file := Path(frame.f_code.co_filename)).is_file()
        and (file.parent == Path.cwd() or f"{frame.f_globals.get('__name__')}.".startswith(f"{package}."))
    ]
    return f" ({_short(lines[-1][0])}, line {lines[-1][1]})" if lines else ""


def _short(file: Path) -> Path:
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
