"""`chatkeep health`: asks a running service if it is ready. For containers and scripts; the standard library is enough.

It answers quickly, since next to nothing of the service is imported.
"""

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

from chatkeep.errors import CannotStart

TIMEOUT_SECONDS = 5.0
"""How long an answer may take. The service's own checks take 2 seconds at most."""


class _UnixConnection(http.client.HTTPConnection):
    """A connection through the socket at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(self._path)


def read_health(address: str) -> tuple[bool, dict[str, str]]:
    """Return whether the service at `address` (`http://HOST:PORT` or `unix:PATH`) is ready, and its checks.

    Raises:
        CannotStart: it does not answer, or is no chatkeep.
    """
    try:
        connection = _connection(address)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            document: Any = json.loads(answer.read())
            return answer.status == 200, {str(name): str(value) for name, value in document["checks"].items()}
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise CannotStart(f"{address} does not answer: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CannotStart(f"{address}: this is no chatkeep") from None


def _connection(address: str) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return _UnixConnection(address.removeprefix("unix:"))
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CannotStart(f"{address}: an address is http://HOST:PORT or unix:PATH")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
