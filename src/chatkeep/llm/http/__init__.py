"""An HTTP/1.1 client of our own for the provider's stream. Everything special about it stands in this folder.

Why: a turn waits on its provider's stream for its whole life, and a service has thousands of them. httpx2's own
transport wakes a reader for every HTTP chunk, and looks at every idle connection for each request.

The path of an answer:

    socket ──▶ `TlsLayer` ──▶ `HttpConnection` (asyncio protocol, httptools) ──▶ `ResponseBody.read` ──▶ SSE parser

1. A read returns everything that has arrived, so a turn that reads seldom reads much. It costs a third of what the
   stock transport does for a turn's upstream side (`bench/run.py`).
2. A reader that finds its data already there comes less often than the data do. Its connection is paused, and the next
   read takes the bytes from the socket itself, past the event loop's transport: 16 % less CPU per chunk at 200 streams
   of 50 chunks/s. With TLS, too: its records are opened here (`tls.py`), all that have come at once.
3. The SDK builds the first request: address, authentication, headers. Later ones differ in nothing but their body, so
   the head is sent again as it was (`replay.py`), which saves 0.4 ms per turn. Only if every header of it is on a
   closed list: a header that must differ for each request (an idempotency key, a trace id) is never sent twice.

Proxies of the environment that are reached by http lead over the same connections (`proxy.py`); others are left to
httpx2 (`client.py`). Not supported: HTTP/2, and compressed bodies (they are asked for as `identity`; others are
refused, see `bounds.py`). aiohttp in its place was measured, and not taken: docs/decisions/0017-tls.md.
"""
