"""The layers of middleware that each request passes, the innermost first:

1. who asks
2. CORS: outside of it, since a browser asks for leave without saying for whom
3. checks of `Host`, origin, type and size
4. headers of the response
5. the log
"""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from chatkeep.api.identity import Identity
from chatkeep.api.middleware import FILES_PATHS, IMPORT_PATH, RequestChecks
from chatkeep.api.open_streams import OpenStreams
from chatkeep.api.request_log import RequestLog
from chatkeep.api.response_headers import ResponseHeaders
from chatkeep.api.uploads import MAX_FORM_BYTES
from chatkeep.api.ways_in import WaysIn
from chatkeep.settings import Settings

CORS_HEADERS = (
    "authorization", "content-disposition", "content-type", "idempotency-key", "last-event-id", "prefer",
)  # fmt: skip
"""The headers that pages of other origins may send."""
SDK_HEADERS = (
    "openai-beta", "openai-organization", "openai-project", "x-stainless-arch", "x-stainless-custom-poll-interval",
    "x-stainless-helper-method", "x-stainless-lang", "x-stainless-os", "x-stainless-package-version",
    "x-stainless-poll-helper", "x-stainless-retry-count", "x-stainless-runtime", "x-stainless-runtime-version",
    "x-stainless-timeout",
)  # fmt: skip
"""Those that OpenAI's SDK sends by itself (npm `openai`). They are not read."""
READ_HEADERS = ("Location", "Content-Location", "Retry-After", "X-Request-Id", "X-Should-Retry")
"""The headers of an answer that such pages may read. The SDK repeats a request by the last three."""


def add_layers(app: FastAPI, settings: Settings, ways_in: WaysIn, open_streams: OpenStreams) -> None:
    """Put the layers around the routes of `app`."""
    app.add_middleware(Identity, ways_in=ways_in, open_streams=open_streams)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=[*CORS_HEADERS, *SDK_HEADERS],
            expose_headers=list(READ_HEADERS),
        )
    hosts = {host.lower() for host in settings.allowed_hosts}
    origins = set(settings.cors_origins)
    if public := settings.public_url:  # its pages are our own, also where a proxy changes Host
        hosts.add(public.host)
        origins.add(public.origin)
    limits = {"max_body_bytes": settings.max_body_bytes, "max_dialect_bytes": settings.max_dialect_bytes}
    uploads = {
        **dict.fromkeys(FILES_PATHS, settings.max_file_bytes + MAX_FORM_BYTES),
        IMPORT_PATH: settings.max_import_bytes + MAX_FORM_BYTES,
    }
    app.add_middleware(RequestChecks, hosts=hosts, origins=origins, max_upload_bytes=uploads, **limits)
    app.add_middleware(ResponseHeaders, public_path=public.path if public else "")
    # the last one is the outermost
    app.add_middleware(RequestLog, trusted_proxies=settings.trusted_proxies, has_lines=settings.access_log)
