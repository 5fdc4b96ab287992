"""Says where the key of a provider is, so that a models file holds none: `env:NAME` or `file:PATH`."""

import os
import re
from pathlib import Path

from chatkeep.settings.env_file import read_env_file
from chatkeep.settings.provider import check_key

_ENV_FILE = Path(".env")
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")


def check_reference(reference: str) -> str:
    """Return a reference to a key.

    Raises:
        ValueError: it is none; most likely it is a key, so the message does not have it.
    """
    if not _REFERENCE.fullmatch(reference):
        raise ValueError("a key stands elsewhere: env:NAME of a variable, or file:PATH")
    return reference


def read_key(reference: str) -> str:
    """Return the key that `reference` leads to: a variable of the environment or of `.env`, or a file in UTF-8.

    Blanks and line breaks around it do not count. The message of an error has no part of the key.

    Raises:
        ValueError: there is none, or it cannot be sent.
        CannotStart: `.env` cannot be read.
    """
    kind, _, name = reference.partition(":")
    key = (_read_variable(name) if kind == "env" else _read_file(Path(name))).strip()
    if not key:
        raise ValueError(f"the variable {name} is not set" if kind == "env" else f"{name} is empty")
    return check_key(key)


def _read_variable(name: str) -> str:
    return os.environ.get(name) or read_env_file(_ENV_FILE).get(name, "")


def _read_file(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
