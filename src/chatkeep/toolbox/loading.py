"""Imports the operator's functions: the modules that CHATKEEP_TOOLS names.

A module that cannot be imported stops the start, with one line that names the module, the file and the line.
"""

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from traceback import walk_tb

from chatkeep.errors import CannotStart
from chatkeep.tools.declaration import Tool, declared_tools


def load(modules: Iterable[str]) -> dict[str, Tool]:
    """Import `modules` and return all functions by name, those that come with chatkeep included.

    A module may be a file in the working directory.

    Raises:
        CannotStart: a module is missing or cannot be imported; the message names it, and file and line of the error.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            raise CannotStart(f"CHATKEEP_TOOLS: {_describe(module, error)}") from error
    return declared_tools()


def _describe(module: str, error: BaseException) -> str:
    if not all(part.isidentifier() for part in module.split(".")):
        return f"{module} is no module's name; name it as `import` does, e.g. my_functions for my_functions.py"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and f"{module}.".startswith(f"{missing}."):
        hint = f"; write {module[:-3]}, without .py" if module.endswith(".py") else ""
        return f"{module} cannot be imported: there is no such module in {Path.cwd()}, nor where Python looks{hint}"
    reason = " ".join(str(error).partition("\n\n")[0].split())  # Pydantic's message is a page long
    return f"{module} cannot be imported: {type(error).__name__}: {reason}{_location(module, error)}"


def _location(module: str, error: BaseException) -> str:
    """Return file and line of the operator's code that raised `error`; empty if none of it is in the traceback.

    The operator's code is the package of `module`, and the files in the working directory; the innermost line counts.
    """
    if isinstance(error, SyntaxError):
        return ""  # its message has file and line
    package = module.partition(".")[0]
    lines = [
        (file, line)
        for frame, line in walk_tb(error.__traceback__)
        if (file := Path(frame.f_code.co_filename)).is_file()
        and (file.parent == Path.cwd() or f"{frame.f_globals.get('__name__')}.".startswith(f"{package}."))
    ]
    return f" ({_relative(lines[-1][0])}, line {lines[-1][1]})" if lines else ""


def _relative(file: Path) -> Path:
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
