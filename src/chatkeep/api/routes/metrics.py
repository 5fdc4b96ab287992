"""The metrics, for Prometheus and its like."""

import asyncio
import shutil

from fastapi import APIRouter, Request, Response

from chatkeep.api.deps import RuntimeDep
from chatkeep.api.identity import CALLER
from chatkeep.api.openapi import error_answers
from chatkeep.chat.people import Caller
from chatkeep.errors import NotFound, StorageFailed
from chatkeep.runs.runtime import Runtime
from chatkeep.watch import metrics

router = APIRouter(tags=["service"])

_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers of a request that a proxy has passed on: its client is not the peer."""


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {metrics.CONTENT_TYPE: {"schema": {"type": "string"}}}}, **error_answers(NotFound)},
)
async def read_metrics(runtime: RuntimeDep, request: Request) -> Response:
    """All metrics, in Prometheus' text format; for the peers in CHATKEEP_METRICS, and for tokens of this scope."""
    if not _has_token(request) and not _is_peer(runtime, request):
        raise NotFound("Not Found")  # as for any path that is not there
    await _measure_database(runtime)
    return Response(await asyncio.to_thread(metrics.exposition), media_type=metrics.CONTENT_TYPE)


def _has_token(request: Request) -> bool:
    caller: Caller | None = request.scope.get(CALLER)
    return caller is not None and caller.scope == "metrics"


def _is_peer(runtime: Runtime, request: Request) -> bool:
    peer = request.client.host if request.client else None
    return runtime.settings.metrics.has(peer) and not any(name in request.headers for name in _OF_PROXIES)


async def _measure_database(runtime: Runtime) -> None:
    """Note the sizes of now. Those of a database that cannot be read stay as they were; `/readyz` says so."""
    path = runtime.settings.database_path()
    metrics.DATABASE_FREE_BYTES.set(shutil.disk_usage(path.absolute().parent).free if path is not None else -1)
    try:
        metrics.DATABASE_BYTES.set(await runtime.db.snapshot(lambda tx: tx.size_bytes()))
    except StorageFailed:
        return
