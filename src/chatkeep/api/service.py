"""What is neither a session nor a run: the assistants, the service's health, and the page at `/`."""

from importlib import resources

from fastapi import APIRouter, Response

from chatkeep.api.answers import json_of
from chatkeep.api.deps import WorkerDep
from chatkeep.api.schema import AssistantPage, AssistantView, Health, ToolView, answer
from chatkeep.db import Connection
from chatkeep.errors import StorageFailed

router = APIRouter(tags=["service"])


@router.get("/api/assistants", responses={200: answer(AssistantPage)})
async def list_assistants(worker: WorkerDep) -> Response:
    """Who can be talked to, and with which functions."""
    views = [
        AssistantView(
            each.name,
            each.description,
            each.model,
            [
                ToolView(tool.name, tool.description, tool.parameters, tool.kind)
                for tool in map(worker.tools.__getitem__, each.functions)
            ],
        )
        for _, each in sorted(worker.assistants.items())
    ]
    return json_of(AssistantPage(views, None))


@router.get("/healthz", responses={200: answer(Health)})
async def check_alive() -> Response:
    """Whether the process answers."""
    return json_of(Health("ok", {}))


@router.get("/readyz", responses={200: answer(Health), 503: answer(Health)})
async def check_ready(worker: WorkerDep) -> Response:
    """Whether it is wise to send requests here."""

    async def ping(tx: Connection) -> None:
        await tx.one("SELECT COUNT(*) FROM schema_migrations")

    checks = {"database": "ok", "draining": "yes" if worker.draining else "no"}
    try:
        await worker.db.snapshot(ping)
    except StorageFailed as failure:
        checks["database"] = str(failure)
    ready = checks == {"database": "ok", "draining": "no"}
    return json_of(Health("ok" if ready else "unavailable", checks), 200 if ready else 503)


@router.get("/", include_in_schema=False)
async def show_page() -> Response:
    """A page that talks to the service."""
    page = resources.files("chatkeep.api").joinpath("page.html").read_bytes()
    return Response(page, media_type="text/html; charset=utf-8")
