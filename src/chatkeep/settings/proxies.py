"""Proxies for the requests that the service makes, by the variables that curl and many others read.

1. `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or small letters; those in small letters win.
2. httpx2 reads them: for the provider, and for MCP servers with a URL. A proxy that is reached by http leads to the
   provider over connections of our own (`llm/http`); https and SOCKS are left to httpx2, whose streams cost more.
3. They count in the environment only. In `.env` they would be ignored, so they are refused there.
"""

import importlib.util
import os
from collections.abc import Iterable

from chatkeep.errors import CannotStart
from chatkeep.settings.provider import VISIBLE, split_url

_NAMES = ("http_proxy", "https_proxy", "all_proxy")
_SCHEMES = ("http", "https", "socks5", "socks5h")


def check_proxies(names_in_file: Iterable[str]) -> None:
    """Check the variables of the environment. `names_in_file` are the names in `.env`.

    Raises:
        CannotStart: a proxy cannot be used. The message names the variable, never its value: it may hold a password.
    """
    for name, text in os.environ.items():
        if name.lower() in _NAMES and text:
            _check_proxy(name, text)
        if name.lower() == "no_proxy" and not _is_host_list(text):
            raise CannotStart(f"{name}: not a list of hosts with ',' between them")
    for name in names_in_file:
        if name.lower() in (*_NAMES, "no_proxy") and name not in os.environ:
            raise CannotStart(f"{name}: a proxy is set in the environment; in .env it would be ignored")


def _is_host_list(text: str) -> bool:
    """Return False for a list with blanks between its hosts, of which httpx2 would use none."""
    return all(VISIBLE.fullmatch(host.strip()) for host in text.split(",") if host.strip())


def _check_proxy(name: str, url: str) -> None:
    try:
        parts = split_url(url if "://" in url else f"http://{url}", _SCHEMES)
    except ValueError as error:
        raise CannotStart(f"{name}: {error}") from None
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise CannotStart(f"{name}: a SOCKS proxy needs a package that is not installed: pip install socksio")
