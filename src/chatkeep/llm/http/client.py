"""The HTTP client below the SDK: httpx2's, with connections of our own."""

from typing import Any

import httpx2

from chatkeep.llm.http.bounds import IDENTITY, bound_response
from chatkeep.llm.http.proxy import HttpProxy
from chatkeep.llm.http.transport import Transport


class ProviderClient(httpx2.AsyncClient):
    """A client whose requests and proxies are those of `Transport`.

    httpx2 reads the variables of the environment, and finds the proxy for a host. Proxies that are reached by https or
    SOCKS stay with httpx2, whose streams cost several times more. The two methods are those that the SDK's own client
    over aiohttp overrides.
    """

    def __init__(self, max_connections: int) -> None:
        """`max_connections` is a limit for proxies by https or SOCKS alone; ours has none."""
        limits = httpx2.Limits(max_connections=max_connections)
        hooks = {"response": [bound_response]}
        super().__init__(headers=IDENTITY, event_hooks=hooks, follow_redirects=True, limits=limits)

    def _init_transport(self, *_: Any, **__: Any) -> httpx2.AsyncBaseTransport:
        return Transport()

    def _init_proxy_transport(self, proxy: httpx2.Proxy, *args: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        if proxy.url.scheme == "http":
            return Transport(proxy=HttpProxy.of(proxy))
        return super()._init_proxy_transport(proxy, *args, **options)
