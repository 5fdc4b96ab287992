"""Reads `CHATKEEP_PUBLIC_URL`, the address under which browsers reach the service: `https://example.org/chat`."""

import re
from typing import NamedTuple

_URL = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?((?:/[A-Za-z0-9._~-]+)*)/?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class PublicUrl(NamedTuple):
    """The parts of the address. `path` is that of the page, without `/` at its end: `/chat`, or nothing."""

    origin: str  # as a browser writes it in `Origin`: lower case, no default port
    host: str  # as it stands in `Host`, without the port
    path: str


def parse_public_url(text: str) -> PublicUrl:
    """Return the parts of an address.

    Raises:
        ValueError: it is no such address. The message is for the operator.
    """
    scheme, slashes, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    match = _URL.fullmatch((scheme + slashes + authority).lower() + slash + path)
    if not match or {".", ".."} & set(path.split("/")):
        raise ValueError(f"{text!r} is not of the form https://NAME or https://NAME/PATH")
    scheme, host, port, path = match.groups()
    shown_port = f":{port}" if port and port != _DEFAULT_PORTS[scheme] else ""
    return PublicUrl(f"{scheme}://{host}{shown_port}", host, path)
