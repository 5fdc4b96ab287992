"""Which MCP servers there are: `CHATKEEP_MCP_SERVERS`, read.

    files=npx -y some-server /data; wiki=http://127.0.0.1:9000/mcp

One after the other, with `;` between them: a name, `=`, and a command line or a URL. Quotes are a shell's, nothing
else of a shell is there.
"""

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z0-9-]{1,32}")


class McpServer(NamedTuple):
    """An MCP server: what its functions' names begin with, and where it is, by `url` or by `command`."""

    name: str
    url: str | None = None
    command: tuple[str, ...] = ()


def read(text: str) -> tuple[McpServer, ...]:
    """The servers that `text` names.

    Raises:
        ValueError: it cannot be read; the message is for the operator.
    """
    servers = tuple(_server(words) for words in _entries(text))
    names = [server.name for server in servers]
    if again := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"there are two servers {again!r}")
    return servers


def _entries(text: str) -> Iterator[list[str]]:
    reading = shlex.shlex(text, posix=True, punctuation_chars=";")
    reading.whitespace_split, reading.commenters = True, ""
    words: list[str] = []
    for word in [*reading, ";"]:
        if word.strip(";"):
            words.append(word)
        elif words:
            yield words
            words = []


def _server(words: list[str]) -> McpServer:
    name, is_there, where = words[0].partition("=")
    if not (is_there and where):
        raise ValueError(f"{words[0]!r} is not NAME=COMMAND or NAME=URL")
    if not _NAME.fullmatch(name):
        raise ValueError(f"a server's name has 1 to 32 letters, digits or '-', unlike {name!r}")
    if not where.startswith(("http://", "https://")):
        return McpServer(name, command=(where, *words[1:]))
    if len(words) > 1:
        raise ValueError(f"after {where} there must be ';', not {words[1]!r}")
    return McpServer(name, url=where)
