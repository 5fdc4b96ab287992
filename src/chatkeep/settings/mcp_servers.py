"""Reads `CHATKEEP_MCP_SERVERS`, the list of the MCP servers that a worker connects to.

    files=npx -y some-server /data; wiki=https://wiki.example/mcp 'Authorization: Bearer …'

1. `;` stands between two servers.
2. Each is a name, `=`, and either a command line, or a URL followed by the headers to send there.
3. Quotes work as in a shell. Nothing else of a shell does: no variables, no pipes, no comments.
"""

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from chatkeep.settings.provider import split_url

_NAME = re.compile(r"[A-Za-z0-9-]{1,32}")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ ]*([!-~](?:[ -~]*[!-~])?)")
"""A header: its field name, and a value of printable ASCII (RFC 9110 §5.1 and §5.5)."""


class McpServer(NamedTuple):
    """An MCP server. It has either a `url`, with `headers`, or a `command` that starts it.

    The names of its functions begin with `name`.
    """

    name: str
    url: str | None = None
    command: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()  # pairs of name and value


def parse_servers(text: str) -> tuple[McpServer, ...]:
    """Return the servers that `text` names, in its order; none if it is blank.

    Raises:
        ValueError: it cannot be read. The message is for the operator.
    """
    servers = tuple(_parse_server(words) for words in _split_servers(text))
    names = [server.name for server in servers]
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"there are two servers {duplicate!r}")
    return servers


def _split_servers(text: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";")
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word.strip(";"):
            words.append(word)
        elif words:
            yield words
            words = []


def _parse_server(words: list[str]) -> McpServer:
    name, equals, location = words[0].partition("=")
    if not (equals and location):
        raise ValueError(f"{words[0]!r} is not NAME=COMMAND or NAME=URL")
    if not _NAME.fullmatch(name):
        raise ValueError(f"a server's name has 1 to 32 letters, digits or '-', unlike {name!r}")
    if not location.startswith(("http://", "https://")):
        return McpServer(name, command=(location, *words[1:]))
    split_url(location, ("http", "https"))
    headers = [_HEADER.fullmatch(word) for word in words[1:]]
    if None in headers:  # the message leaves the word out: it may be a secret
        raise ValueError(f"after the URL of {name!r} come headers, 'NAME: VALUE' in quotes, or ';'")
    return McpServer(name, url=location, headers=tuple((header[1], header[2]) for header in headers if header))
