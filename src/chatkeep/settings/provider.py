"""Checks what goes into every request to the provider: the key, the base URL, and the SDK's own headers.

A wrong one would fail at each request, if at all, with an error that does not name the setting. No message has a value
in it: each may hold a secret.
"""

import re
from urllib.parse import SplitResult, urlsplit

OPENAI_URL = "https://api.openai.com/v1"
"""The base URL if none is set. The SDK's own default would be `OPENAI_BASE_URL` again, even if that is blank."""
COMPLETIONS_PATH = "/chat/completions"
"""The path of the Chat Completions API below the base URL. The client adds it."""
SDK_HEADERS = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS")
"""Variables that the OpenAI SDK reads by itself, and sends as headers."""

VISIBLE = re.compile(r"[!-~]+")
"""Printable ASCII without blanks: what a bearer token (RFC 6750 §2.1) and a URL (RFC 3986 §2) are made of."""
_HEADER_LINES = re.compile(r"[ -~\t\n]*")


def check_key(key: str) -> str:
    """Return an API key that can be sent as a bearer token.

    Raises:
        ValueError: it cannot.
    """
    if not VISIBLE.fullmatch(key):
        raise ValueError("a key has no blanks, line breaks or control characters within it, and only ASCII characters")
    return key


def check_base_url(url: str) -> str:
    """Return a base URL below which requests can be made. It may have a query, which each request then carries.

    Raises:
        ValueError: it is no URL of HTTP, or the path of the API is in it already.
    """
    parts = split_url(url, ("http", "https"))
    if parts.fragment:
        raise ValueError("a base URL has no '#'")
    if parts.path.rstrip("/").endswith(COMPLETIONS_PATH):
        raise ValueError(f"leave out {COMPLETIONS_PATH}, which the client adds")
    return url


def split_url(url: str, schemes: tuple[str, ...]) -> SplitResult:
    """Return the parts of a URL with a host (RFC 3986 §3).

    Raises:
        ValueError: it is none, or its scheme is not among `schemes`.
    """
    if not VISIBLE.fullmatch(url):
        raise ValueError("a URL has no blanks or control characters, and only ASCII characters")
    try:
        parts = urlsplit(url)
        _ = parts.port
        (parts.hostname or "").encode("idna")  # as the resolver will: labels of 1 to 63 characters
    except ValueError:  # its text would have parts of the URL
        raise ValueError("the host or port of the URL is wrong") from None
    if parts.scheme not in schemes:
        raise ValueError(f"a URL here begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not parts.hostname:
        raise ValueError("the URL has no host")
    return parts


def check_headers(text: str) -> None:
    """Check a variable of `SDK_HEADERS`.

    Raises:
        ValueError: it cannot be sent (RFC 9110 §5.5).
    """
    if not _HEADER_LINES.fullmatch(text):
        raise ValueError("a header has no control characters, and only ASCII characters")
