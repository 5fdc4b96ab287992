"""Reads a list of peers, by the address from which they connect: `127.0.0.1, 10.0.0.0/8, unix`."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple


class Peers(NamedTuple):
    """Networks; and, if `unix`, the clients of a unix socket."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False

    def has(self, address: str | None) -> bool:
        """Return True if a client at `address` is among them. None is the address of a unix socket's client."""
        if address is None:
            return self.unix
        if not self.networks:
            return False
        ip = ip_address(address.partition("%")[0])
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self.networks)


NO_PEERS = Peers()
"""An empty list."""


def parse_peers(text: str) -> Peers:
    """Return the peers of a list with `,` between them.

    Raises:
        ValueError: an item is neither an address, a network nor `unix`. The message is for the operator.
    """
    items = [item.strip() for item in text.split(",") if item.strip()]
    return Peers(tuple(_network(item) for item in items if item != "unix"), "unix" in items)


def _network(item: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(item)
    except ValueError:
        raise ValueError(f"{item!r} is no address (10.0.0.1), network (10.0.0.0/8, fd00::/8) or 'unix'") from None
