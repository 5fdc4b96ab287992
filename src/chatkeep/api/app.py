"""The application: routes, error handlers, middleware, and the runtime that lives as long as it does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

import chatkeep
from chatkeep.api import responses
from chatkeep.api.identity import Identity
from chatkeep.api.middleware import RequestChecks
from chatkeep.api.open_streams import OpenStreams, watching
from chatkeep.api.openapi import openapi_document
from chatkeep.api.request_log import RequestLog
from chatkeep.api.response_headers import ResponseHeaders
from chatkeep.api.routes import (
    admin,
    auth,
    docs,
    manifest,
    me,
    memory,
    messages,
    metrics,
    pages,
    runs,
    service,
    session_events,
    sessions,
    tokens,
    turns,
)
from chatkeep.api.shutdown import drain_on_signals, stop_with_supervisor
from chatkeep.api.stream_server import StreamServer
from chatkeep.api.ways_in import WaysIn
from chatkeep.errors import Refused, StorageFailed
from chatkeep.llm import Model
from chatkeep.runs.startup import open_runtime
from chatkeep.settings import Settings, load_settings
from chatkeep.watch import tracing

_OF_CHATS = (turns, sessions, session_events, messages, runs, memory)
_OF_PEOPLE = (me, tokens, admin, auth)
ROUTERS = tuple(each.router for each in (*_OF_CHATS, service, pages, manifest, docs, metrics, *_OF_PEOPLE))
"""All routes, the most used first."""
DESCRIPTION = """Sessions, messages, and answers streamed as they are made; everything is kept.

Answers come as Server-Sent Events (`text/event-stream`); with `Accept: application/json`, which this page sends,
they come when they are complete. `docs/http-api.md` and `docs/events.md` are the whole contract."""


def create_app(settings: Settings | None = None) -> StreamServer:
    """Return the service as an ASGI application. Without `settings`, those of the environment.

    Raises:
        CannotStart: a setting is wrong.
    """
    return StreamServer(create_api(settings or load_settings()))


def create_api(settings: Settings, model: Model | None = None) -> FastAPI:
    """Return the application inside of the stream server. `model` replaces the one that `settings` ask for."""
    ways_in, open_streams = WaysIn(settings), OpenStreams()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        with tracing.exporting():
            async with open_runtime(settings, model) as runtime, watching(runtime, open_streams):
                app.state.runtime = runtime
                with drain_on_signals(runtime), stop_with_supervisor():
                    yield

    app = FastAPI(
        docs_url=None, redoc_url=None, title="chatkeep", version=chatkeep.__version__, description=DESCRIPTION,
        lifespan=lifespan,
    )  # fmt: skip
    app.openapi = lambda: openapi_document(app, settings.public_url.path if settings.public_url else "")
    for router in ROUTERS:
        app.include_router(router)
    app.mount(f"/{docs.FOLDER}", docs.files())
    _add_error_handlers(app)
    app.state.browser_sign_in = ways_in.browser
    app.add_middleware(Identity, ways_in=ways_in, open_streams=open_streams)
    _add_middleware(app, settings)
    return app


def _add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Refused, responses.handle_refused)
    app.add_exception_handler(RequestValidationError, responses.handle_invalid)
    app.add_exception_handler(HTTPException, responses.handle_http)
    app.add_exception_handler(StorageFailed, responses.handle_storage)
    app.add_exception_handler(Exception, responses.handle_unexpected)


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    if settings.cors_origins:  # outside of it: a browser asks for leave without saying who it asks for
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["authorization", "content-type", "idempotency-key", "last-event-id", "prefer"],
            expose_headers=["Location", "Content-Location"],
        )
    hosts = {host.lower() for host in settings.allowed_hosts}
    origins = set(settings.cors_origins)
    if public := settings.public_url:  # its pages are our own, also where a proxy changes Host
        hosts.add(public.host)
        origins.add(public.origin)
    app.add_middleware(RequestChecks, hosts=hosts, origins=origins, max_body_bytes=settings.max_body_bytes)
    app.add_middleware(ResponseHeaders, public_path=public.path if public else "")
    # the last one is the outermost
    app.add_middleware(RequestLog, trusted_proxies=settings.trusted_proxies, has_lines=settings.access_log)
