"""The URL of a PostgreSQL database: what asyncpg gets of it, and the name by which messages call it.

A password with `/`, `#`, `?` or `@` in it moves the borders of the URL's parts: a piece of it would be taken for a
host, a port or a name, and shown in an error. So a URL that can be read in two ways is refused, and no message has a
part of it.

Unless the URL says otherwise, only a primary is connected to: after a failover a proxy may for a moment lead to a
replica, which refuses writes, and answers reads with what was true before. It is also how the primary is found among
several hosts (libpq's `target_session_attrs`, which asyncpg has too).
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from chatkeep.errors import CannotStart

_HOST = r"(?:\[[0-9A-Fa-f:.%\w]+\]|[\w.%-]*)(?::\d{1,5})?"
_URL = re.compile(rf"postgres(?:ql)?://(?:[^/?#@\s]*@)?{_HOST}(?:,{_HOST})*(?:/[^/?#@\s]*)?(?:\?[^#@\s]*)?", re.ASCII)
"""RFC 3986 §3, without a fragment; several hosts as libpq has them (PostgreSQL, "Connection Strings")."""
_DEFAULTS = {"target_session_attrs": "primary"}
_REFUSAL = (
    "the URL of the database (CHATKEEP_DATABASE_URL) is not postgresql://USER:PASSWORD@HOST:PORT/NAME;"
    " in a user, password or name write @ / ? # % [ ] and blanks as %40 %2F %3F %23 %25 %5B %5D %20"
)


class PostgresUrl(NamedTuple):
    """A database's URL. `name` has neither password nor query. `is_proxied`: a proxy that pools transactions is there.

    `dsn` is for asyncpg, and a secret.
    """

    dsn: str
    name: str
    is_proxied: bool


def parse_url(url: str) -> PostgresUrl:
    """Return the parts of a URL; its query's `pgbouncer` is ours, the rest asyncpg's.

    Raises:
        CannotStart: it is no such URL, or can be read in two ways. The message has no part of it.
    """
    if not _URL.fullmatch(url):
        raise CannotStart(_REFUSAL)
    try:
        parts = urlsplit(url)
    except ValueError:  # its text would have parts of the URL
        raise CannotStart(_REFUSAL) from None
    query = parse_qsl(parts.query, keep_blank_values=True)
    is_proxied = any(name == "pgbouncer" and value == "true" for name, value in query)
    dsn_query = urlencode(_DEFAULTS | {name: value for name, value in query if name != "pgbouncer"})
    user, _, address = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}@{address}" if user else address
    return PostgresUrl(
        parts._replace(query=dsn_query).geturl(), parts._replace(netloc=netloc, query="").geturl(), is_proxied
    )
