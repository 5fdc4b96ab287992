"""The way to a provider through an HTTP proxy.

An https provider is reached through a tunnel (CONNECT, RFC 9110 §9.3.6): the proxy sees its name, and no more. Requests
to an http provider are sent to the proxy with their whole address (RFC 9112 §3.2.2).
"""

from base64 import b64encode
from typing import NamedTuple

import httpx2


class HttpProxy(NamedTuple):
    """A proxy that is reached by http. `credentials` is the line of a head that has them, or empty."""

    host: str
    port: int
    credentials: bytes

    @classmethod
    def of(cls, proxy: httpx2.Proxy) -> "HttpProxy":
        """Return the values of `proxy`."""
        credentials = b""
        if proxy.raw_auth is not None:
            credentials = b"proxy-authorization: Basic %b\r\n" % b64encode(b"%b:%b" % proxy.raw_auth)
        return cls(proxy.url.host, proxy.url.port or 80, credentials)

    @property
    def origin(self) -> tuple[bytes, str, int]:
        """Its scheme, host and port."""
        return b"http", self.host, self.port

    def tunnel_request(self, host: str, port: int) -> bytes:
        """Return the request for a tunnel to `host`."""
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n".encode() + self.credentials + b"\r\n"
