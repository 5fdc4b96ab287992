"""The limits of the connections of a process: how many there are, and how long a request may take to arrive.

A client that sends nothing, or a byte now and then, costs a connection and some memory. So:

1. A process has at most `max_connections`. One more is answered with 503, and closed.
2. A peer (an IPv4 address, or an IPv6 network of 64 bits, which one host has for itself) has at most a quarter of them.
   Loopback and unix sockets count for no peer: there, a proxy passes on the connections of all clients.
3. The head of a request is there after `HEAD_SECONDS`, and its body after `BODY_SECONDS`: else 408.

One timer looks at all connections, each second, at what it still waits for. So a request costs nothing for it, and a
limit is kept to the second. A stream waits for nothing, as its request is complete.
"""

import asyncio
import ipaddress
from collections import Counter
from typing import NamedTuple, Protocol

from chatkeep.errors import Refused, RequestTimeout, TooManyConnections

HEAD_SECONDS = 10.0
"""How long the head of a request may take."""
BODY_SECONDS = 30.0
"""How long the body may take, from the end of the head."""
CHECK_SECONDS = 1.0
"""Seconds between two looks at the connections."""
PEER_SHARE = 4
"""A peer has one of so many parts of the connections."""


class Awaited(NamedTuple):
    """The part of a request that a connection waits for: its head, or its body. `after` is the request before."""

    is_body: bool
    after: object


class Connection(Protocol):
    """The side of a connection that the limits know."""

    def awaited(self) -> Awaited | None:
        """Return the part of a request that is missing; None if there is no hurry."""
        ...

    def refuse(self, error: Refused) -> None:
        """Answer with `error`, if an answer may be sent now, and close the connection."""
        ...


class Connections:
    """The open connections of a process, counted and watched."""

    def __init__(
        self,
        max_connections: int,
        *,
        head_seconds: float = HEAD_SECONDS,
        body_seconds: float = BODY_SECONDS,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._max = max_connections
        self._max_of_a_peer = max(1, max_connections // PEER_SHARE)
        self._seconds = (head_seconds, body_seconds)
        self._check_seconds = check_seconds
        self._open: dict[Connection, tuple[Awaited | None, float]] = {}  # with what was awaited, and since when
        self._peers: Counter[str] = Counter()
        self._is_watching = False

    def add(self, connection: Connection, address: str | None) -> TooManyConnections | None:
        """Take in a new connection from `address`, or return why not. None is the address of a unix socket."""
        peer = peer_of(address)
        if len(self._open) >= self._max:
            return TooManyConnections(f"the service has {self._max} connections, and takes no more")
        if peer is not None and self._peers[peer] >= self._max_of_a_peer:
            return TooManyConnections(f"one address has at most {self._max_of_a_peer} connections")
        now = asyncio.get_running_loop().time()
        self._open[connection] = (connection.awaited(), now)
        if peer is not None:
            self._peers[peer] += 1
        if not self._is_watching:
            self._check()
        return None

    def discard(self, connection: Connection, address: str | None) -> None:
        """Forget a connection that is closed. One that was not taken in is none of ours."""
        peer = peer_of(address)
        if self._open.pop(connection, None) is None or peer is None:
            return
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection, (seen, since) in list(self._open.items()):
            awaited = connection.awaited()
            if awaited != seen:
                self._open[connection] = (awaited, now)
            elif awaited is not None and now - since >= self._seconds[awaited.is_body]:
                connection.refuse(RequestTimeout(f"the {'body' if awaited.is_body else 'head'} took too long"))
        self._is_watching = bool(self._open)
        if self._is_watching:
            loop.call_later(self._check_seconds, self._check)


def peer_of(address: str | None) -> str | None:
    """Return by which name an address is counted; None if it is not."""
    if address is None:
        return None
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return None
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))
