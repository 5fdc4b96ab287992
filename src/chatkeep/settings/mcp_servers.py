"""Which MCP servers there are: `CHATKEEP_MCP_SERVERS`, read.

    files=npx -y some-server /data; wiki=https://wiki.example/mcp 'Authorization: Bearer …'

One after the other, with `;` between them: a name, `=`, and a command line, or a URL and the headers to send there.
Quotes are a shell's, nothing else of a shell is there.
"""

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z0-9-]{1,32}")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ ]*([!-~](?:[ -~]*[!-~])?)")
"""A field name and a value of printable ASCII (RFC 9110 §5.1 and 5.5)."""


class McpServer(NamedTuple):
    """An MCP server: what its functions' names begin with, and where it is: by `url` and `headers`, or by `command`."""

    name: str
    url: str | None = None
    command: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()  # names and values


def parse_servers(text: str) -> tuple[McpServer, ...]:
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
    headers = [_HEADER.fullmatch(word) for word in words[1:]]
    if None in headers:  # which is not repeated: it may be a secret
        raise ValueError(f"after the URL of {name!r} come headers, 'NAME: VALUE' in quotes, or ';'")
    return McpServer(name, url=where, headers=tuple((each[1], each[2]) for each in headers if each))
