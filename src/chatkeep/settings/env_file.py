"""Reads `.env`: `NAME=value` lines, as python-dotenv parses them, and nothing that is not written there.

1. Values are taken as they stand: `$NAME` and `${NAME}` are not replaced. A password may have a `$`.
2. A line that is no assignment is refused. Skipping it would start the service without a setting that was meant.
"""

from pathlib import Path

from dotenv.parser import Binding, parse_stream

from chatkeep.errors import CannotStart


def read_env_file(path: Path) -> dict[str, str]:
    """Return the values of the file by their names; none if there is no such file.

    A folder of that name counts as none: it may hold a Python environment.

    Raises:
        CannotStart: a line is no assignment, or the file cannot be read.
    """
    if path.is_dir():
        return {}
    try:
        with path.open(encoding="utf-8") as file:
            bindings = list(parse_stream(file))
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise CannotStart(f"{path}: not UTF-8") from None
    except OSError as error:
        raise CannotStart(f"cannot read {path}: {error.strerror}") from error
    return dict(_assignment(path, binding) for binding in bindings if binding.error or binding.key)


def _assignment(path: Path, binding: Binding) -> tuple[str, str]:
    if binding.error or binding.key is None or binding.value is None:
        text = binding.original.string
        line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")  # blank lines before it
        raise CannotStart(f"{path}, line {line}: not NAME=value, or a quote that is not closed")
    return binding.key, binding.value
