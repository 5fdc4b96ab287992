"""The application: routes, error handlers, middleware, and the runtime that lives as long as it does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import chatkeep
from chatkeep.api import responses
from chatkeep.api.layers import add_layers
from chatkeep.api.open_streams import OpenStreams, watching
from chatkeep.api.openapi import openapi_document, operation_id
from chatkeep.api.routes import (
    admin,
    archives,
    auth,
    dialects,
    docs,
    files,
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
    usage,
)
from chatkeep.api.shutdown import drain_on_signals, stop_with_supervisor
from chatkeep.api.stream_server import StreamServer
from chatkeep.api.ways_in import WaysIn
from chatkeep.errors import Refused, StorageFailed
from chatkeep.llm import Model
from chatkeep.runs.startup import open_runtime
from chatkeep.settings import Settings, load_settings
from chatkeep.watch import tracing

_OF_CHATS = (turns, sessions, session_events, messages, runs, dialects, memory, files, archives)
_OF_PEOPLE = (me, usage, tokens, admin, auth)
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
        docs_url=None,
        redoc_url=None,
        title="chatkeep",
        version=chatkeep.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        default_response_class=Response,  # so that the document has the media types that are declared, and no other
        generate_unique_id_function=operation_id,
    )
    app.openapi = lambda: openapi_document(app, settings.public_url.path if settings.public_url else "")
    for router in ROUTERS:
        app.include_router(router)
    app.mount(f"/{docs.FOLDER}", docs.files())
    _add_error_handlers(app)
    app.state.browser_sign_in = ways_in.browser
    add_layers(app, settings, ways_in, open_streams)
    return app


def _add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Refused, responses.handle_refused)
    app.add_exception_handler(RequestValidationError, responses.handle_invalid)
    app.add_exception_handler(HTTPException, responses.handle_http)
    app.add_exception_handler(StorageFailed, responses.handle_storage)
    app.add_exception_handler(Exception, responses.handle_unexpected)
